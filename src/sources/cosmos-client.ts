// The clients of Cosmos DB: one for each account in a process, made at the first use, so that a configuration
// without Cosmos DB never loads the SDK.

import type { ConnectionPolicy, CosmosClient, CosmosClientOptions } from '@azure/cosmos';
import { WarmfeedError } from '../core/errors.ts';

export type CosmosConnection =
  | { readonly connectionString: string }
  /** By identity; `clientId` names a user-assigned one. */
  | { readonly endpoint: string; readonly clientId?: string | undefined };

export interface CosmosClients {
  /** @param preferredLocations regions to read from, in order; none: the account's write region */
  get(connection: CosmosConnection, preferredLocations?: readonly string[]): Promise<CosmosClient>;
  dispose(): void;
}

export function createCosmosClients(): CosmosClients {
  const clients = new Map<string, Promise<CosmosClient>>();

  function get(connection: CosmosConnection, preferredLocations: readonly string[] = []): Promise<CosmosClient> {
    const account = JSON.stringify([connection, preferredLocations]);
    const known = clients.get(account);
    if (known !== undefined) return known;
    const client = connect(connection, preferredLocations);
    clients.set(account, client);
    client.catch(() => clients.delete(account));
    return client;
  }

  function dispose(): void {
    const made = [...clients.values()];
    clients.clear();
    // Not waited for: one that looks for its regions may look for minutes.
    for (const client of made) {
      client.then(
        (ready) => ready.dispose(),
        () => undefined,
      );
    }
  }

  return { get, dispose };
}

async function connect(connection: CosmosConnection, preferredLocations: readonly string[]): Promise<CosmosClient> {
  const { CosmosClient: Client } = await import('@azure/cosmos');
  const client = new Client({
    ...(await credentialsOf(connection)),
    connectionPolicy: policyOf(preferredLocations),
    userAgentSuffix: 'warmfeed',
  });
  // Reads the account once, not once for every read that waits for it.
  if (preferredLocations.length > 0) await client.getReadEndpoint();
  return client;
}

async function credentialsOf(connection: CosmosConnection): Promise<CosmosClientOptions> {
  if ('connectionString' in connection) return parseConnectionString(connection.connectionString);
  const { endpoint, clientId } = connection;
  if (!URL.canParse(endpoint) || new URL(endpoint).protocol !== 'https:') {
    throw new WarmfeedError('SOURCE_REJECTED', 'an identity needs the https endpoint of a Cosmos DB account');
  }
  const { DefaultAzureCredential } = await import('@azure/identity');
  const identity = clientId === undefined ? {} : { managedIdentityClientId: clientId };
  return { endpoint, aadCredentials: new DefaultAzureCredential(identity) };
}

function parseConnectionString(text: string): CosmosClientOptions {
  const [, endpoint] = /(?:^|;)\s*AccountEndpoint=([^;]+)/i.exec(text) ?? [];
  const [, key] = /(?:^|;)\s*AccountKey=([^;]+)/i.exec(text) ?? [];
  if (!endpoint || !key || !URL.canParse(endpoint)) {
    throw new WarmfeedError('SOURCE_REJECTED', 'not a connection string of Cosmos DB');
  }
  return { endpoint, key };
}

/**
 * Throttling and sessions are retried by the source, which knows the deadline. Discovery of the account's regions
 * retries a dead endpoint for minutes and drops the session token of a read that a replica cannot serve yet, so it
 * is on only where regions are to be chosen.
 */
function policyOf(preferredLocations: readonly string[]): ConnectionPolicy {
  return {
    enableEndpointDiscovery: preferredLocations.length > 0,
    preferredLocations: [...preferredLocations],
    enablePartitionLevelFailover: false,
    retryOptions: { maxRetryAttemptCount: 0, fixedRetryIntervalInMilliseconds: 0, maxWaitTimeInSeconds: 0 },
  };
}
