// Everything that the shipped configuration names besides Cosmos DB and Redis: a real PostgreSQL with the countries, the
// TDS emulator with the cities, a storage emulator.

import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { BlobServiceClient } from '@azure/storage-blob';
import { startPostgres } from '../../local/services/postgres.ts';
import { startSql } from '../../local/services/sql.ts';
import { startStorage } from '../../local/services/storage.ts';

export async function startDatabases() {
  const folder = await mkdtemp(join(tmpdir(), 'warmfeed-databases-'));
  // Where root runs the tests, PostgreSQL is another user.
  await chmod(folder, 0o755);
  const storage = await startStorage({ ports: [0, 0, 0] });
  const postgres = await startPostgres({ folder, port: 0 });
  const sql = await startSql({ folder, port: 0, server: postgres.server });
  await storage.ready;
  const { CONTENT = '' } = storage.settings;
  await BlobServiceClient.fromConnectionString(CONTENT).getContainerClient('content').createIfNotExists();
  return {
    settings: { ...storage.settings, ...postgres.settings, ...sql.settings },
    async stop() {
      await sql.stop();
      await postgres.stop();
      await storage.stop();
      await rm(folder, { recursive: true, force: true });
    },
  };
}
