/** The embedded Cosmos DB emulator, or the account that COSMOS names; with database, containers and data in it. */
import { CosmosClient } from '@azure/cosmos';
import { startCosmosEmulator } from '../cosmos/emulator.ts';
import { seed } from '../data/seed.ts';
import { onFreePort } from './ports.ts';
import { count, messageOf, type Note, type Service, StackError } from './service.ts';

/** Pause between lines of progress. */
const progressMs = 1_000;

export interface CosmosOptions {
  /** COSMOS: use that account instead. */
  connectionString?: string | undefined;
  database: string;
  leases?: string;
  port?: number;
  /** Partition ranges of a new container. */
  ranges?: number | undefined;
  note?: Note;
}

export interface CosmosService extends Service {
  connectionString: string;
  /** Undefined where it is not ours. */
  port: number | undefined;
  /** Documents written by this start. */
  written: number;
}

export async function startCosmos(options: CosmosOptions): Promise<CosmosService> {
  const note = options.note ?? (() => {});
  const { connectionString, what, port, stop } = options.connectionString
    ? otherAccount(options.connectionString)
    : await emulator(options);
  try {
    const written = await fill(connectionString, options, note);
    return {
      name: 'cosmos',
      what,
      settings: {
        COSMOS: connectionString,
        COSMOS_DATABASE: options.database,
        // A real account answers reads from replicas, so there the app's own default stands.
        ...(port === undefined ? {} : { WARMFEED_REPLICA_LAG: '0s' }),
      },
      connectionString,
      port,
      written,
      stop,
    };
  } catch (error) {
    await stop();
    if (error instanceof StackError || port !== undefined) throw error;
    throw new StackError(`COSMOS is set, but that account cannot be used: ${messageOf(error)}`);
  }
}

interface Account {
  connectionString: string;
  what: string;
  port: number | undefined;
  stop: () => Promise<void>;
}

async function emulator(options: CosmosOptions): Promise<Account> {
  const started = await onFreePort(options.port ?? 8081, (port) =>
    startCosmosEmulator({ port, ...(options.ranges === undefined ? {} : { ranges: options.ranges }) }),
  );
  return {
    connectionString: started.connectionString,
    what: `embedded emulator on 127.0.0.1:${started.port}, database ${options.database}`,
    port: started.port,
    stop: () => started.close(),
  };
}

function otherAccount(connectionString: string): Account {
  const endpoint = /AccountEndpoint=([^;]+)/i.exec(connectionString)?.[1];
  if (!endpoint || !URL.canParse(endpoint)) {
    throw new StackError('COSMOS must be a connection string: AccountEndpoint=https://…;AccountKey=…;');
  }
  return {
    connectionString,
    what: `the account in COSMOS, ${new URL(endpoint).host}`,
    port: undefined,
    stop: async () => {},
  };
}

async function fill(connectionString: string, options: CosmosOptions, note: Note): Promise<number> {
  const started = Date.now();
  const client = new CosmosClient(connectionString);
  let told = started;
  try {
    const { written } = await seed(client, {
      database: options.database,
      leases: options.leases ?? 'leases',
      onProgress: (done, all) => {
        if (Date.now() - told < progressMs) return;
        told = Date.now();
        note(`${count(done)} of ${count(all)} documents`);
      },
    });
    const seconds = ((Date.now() - started) / 1000).toFixed(1);
    note(
      written > 0
        ? `${count(written)} documents written to airports in ${seconds} s`
        : 'airports already holds documents; nothing written',
    );
    return written;
  } finally {
    client.dispose();
  }
}
