/**
 * An emulator of the part of SQL Server that an app with the `mssql` driver needs: TDS 7.4 in front of PostgreSQL.
 * docs/tds-emulator.md tells what it has, what it refuses, and where it differs.
 */
import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { createCertificate } from './certificate.ts';
import { serve } from './connection.ts';
import { type Control, createControl } from './control.ts';
import { openDatabase } from './database.ts';
import { secureContext } from './tls.ts';

export type { Control, Fault, RecordedRequest } from './control.ts';

export interface TdsEmulatorOptions {
  /** A database of its own, as superuser; its name is the name here too. */
  postgresUrl: string;
  /** 0 takes any. */
  port?: number;
  user?: string;
  password?: string;
}

export interface TdsEmulator {
  port: number;
  /** For `mssql`, without encryption. */
  connectionString: string;
  /** The certificate for `encrypt: 'strict'`; it is for `localhost` and 127.0.0.1. */
  certificate: string;
  control: Control;
  stop(): Promise<void>;
}

const address = '127.0.0.1';

export async function startTdsEmulator(options: TdsEmulatorOptions): Promise<TdsEmulator> {
  const { user = 'sa', password = 'Warmfeed-1' } = options;
  const database = await openDatabase(options.postgresUrl);
  const sockets = new Set<Socket>();
  const kill = (): number => {
    const { size } = sockets;
    for (const socket of sockets) socket.destroy();
    return size;
  };
  const { control, hooks } = createControl({
    kill,
    connections: () => sockets.size,
    expire: async (table, version) =>
      void (await database.admin.query('SELECT tds.clean_up($1, $2)', [table, version])),
  });
  const certificate = createCertificate();
  const context = secureContext(certificate);
  let ids = 50;
  let descriptors = 0n;
  const nextDescriptor = (): bigint => (descriptors += 1n);
  const server = createServer({ pauseOnConnect: false }, (socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
    ids += 1;
    serve(socket, { database, hooks, context, user, password, id: ids, nextDescriptor });
  });
  try {
    server.listen(options.port ?? 0, address);
    await once(server, 'listening');
  } catch (error) {
    await database.close();
    throw error;
  }
  const { port } = server.address() as AddressInfo;
  let stopping: Promise<void> | undefined;
  const stop = async (): Promise<void> => {
    const closed = once(server, 'close');
    server.close();
    kill();
    await closed;
    await database.close();
  };
  return {
    port,
    connectionString: `Server=${address},${port};Database=${database.name};User Id=${user};Password=${password};Encrypt=false`,
    certificate: certificate.cert,
    control,
    stop: () => (stopping ??= stop()),
  };
}
