/** The embedded Cosmos DB emulator: starting, address, stopping. In memory; each start is a new account. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type CosmosControl, createPanel } from './control.ts';
import { sweep } from './expiry.ts';
import { createReplica, type ReplicaMode } from './replica.ts';
import { serve } from './serve.ts';
import { createStore, type Store } from './store.ts';

export type { CosmosControl } from './control.ts';
export type { ContainerName, RangeInfo } from './control-partitions.ts';
export type { Fault } from './faults.ts';
export type { ReplicaMode } from './replica.ts';
export type { Operation } from './request.ts';
export type { LoggedRequest } from './request-log.ts';

/** The key of Microsoft's own emulator, public knowledge. */
export const wellKnownKey = 'C2y6yDjf5/R+ob0N8A7Cgv30VRDJIWEHLM+4QDU5DE2nQ9nDuVTqobD4b8mGGyPMbIZnqyMsEcaGQy67XIw/Jw==';

export interface CosmosEmulatorOptions {
  /** 0 or none: a free one. */
  port?: number;
  host?: '127.0.0.1';
  key?: string;
  /** Physical partition ranges of each newly made container; 1 unless given. */
  ranges?: number;
  replicaLag?: ReplicaMode | undefined;
  /** Take Entra ID tokens too, whatever is in them. */
  acceptAad?: boolean;
  /** `previous` in the all-versions-and-deletes feed; true unless given. */
  previousImages?: boolean;
  log?: (line: string) => void;
}

export interface CosmosEmulator {
  port: number;
  endpoint: string;
  key: string;
  connectionString: string;
  control: CosmosControl;
  close: () => Promise<void>;
}

/** Requests delete what expired before they look; this is for feeds and sessions that nobody asks. */
const sweepEvery = (store: Store, ms: number): NodeJS.Timeout => {
  const all = () => {
    for (const database of store.databases.values())
      for (const container of database.containers.values()) sweep(container, Date.now());
  };
  return setInterval(all, ms).unref();
};

export const startCosmosEmulator = async (options: CosmosEmulatorOptions = {}): Promise<CosmosEmulator> => {
  const { port = 0, host = '127.0.0.1', key = wellKnownKey, ranges = 1, replicaLag, acceptAad = false } = options;
  const { previousImages = true, log = () => undefined } = options;
  const store = createStore(ranges);
  const replica = createReplica(store, replicaLag ?? 'none');
  const panel = createPanel(store, replica);
  const closing = new AbortController();
  const exchange = {
    site: { store, replica, previousImages },
    panel,
    access: { key, acceptAad },
    log,
    signal: closing.signal,
  };
  const server = createServer(
    { keepAliveTimeout: 60_000 },
    (message, response) => void serve(exchange, message, response),
  );
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, resolve);
  });
  const timer = sweepEvery(store, 1000);
  const address = server.address() as AddressInfo;
  const endpoint = `http://${host}:${address.port}/`;
  return {
    port: address.port,
    endpoint,
    key,
    connectionString: `AccountEndpoint=${endpoint};AccountKey=${key};`,
    control: panel.control,
    close: async () => {
      clearInterval(timer);
      closing.abort();
      await new Promise<void>((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      });
    },
  };
};
