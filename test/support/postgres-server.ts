// A real PostgreSQL of one's own, on a free port and in a directory of its own: one for a test file, a new database for a test.

import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startPostgresServer } from '../../local/services/postgres-server.ts';

export interface TestPostgres {
  readonly port: number;
  /** URL of a new, empty database, as its owner (no superuser). */
  createDatabase(): Promise<string>;
  /** The same database as superuser. */
  asSuperuser(url: string): string;
  /** Ends it, and removes all that it wrote. */
  stop(): Promise<void>;
}

export async function startPostgres(): Promise<TestPostgres> {
  const folder = await mkdtemp(join(tmpdir(), 'warmfeed-postgres-'));
  // Where root runs the tests, the server is another user.
  await chmod(folder, 0o755);
  const server = await startPostgresServer({ folder, port: 0 });
  let databases = 0;
  return {
    port: server.port,
    createDatabase: () => server.createDatabase(`test_${++databases}`),
    asSuperuser: (url) => server.superuserUrl(new URL(url).pathname.slice(1)),
    async stop() {
      await server.stop();
      await rm(folder, { recursive: true, force: true });
    },
  };
}
