/** Finds the account that a trigger's connection setting names: a connection string, or endpoint and key as two settings. */
import { setting } from './settings.ts';

export interface CosmosAccount {
  endpoint: string;
  key: string;
  /** Host name of the endpoint, which goes into the ids of the leases. */
  host: string;
}

export function accountOf(connection: string): CosmosAccount {
  const text = setting(connection) ?? setting(`ConnectionStrings:${connection}`);
  if (text) return fromString(connection, text);
  const endpoint = setting(`${connection}__accountEndpoint`);
  if (!endpoint) {
    throw new Error(
      `Cosmos DB connection configuration '${connection}' does not exist. Make sure that it is a defined App Setting.`,
    );
  }
  const key = setting(`${connection}__accountKey`);
  if (!key) {
    throw new Error(`This host cannot use an identity for '${connection}': set ${connection}__accountKey as well.`);
  }
  return account(connection, endpoint, key);
}

function fromString(connection: string, text: string): CosmosAccount {
  const parts = new Map(
    text.split(';').map((part): [string, string] => {
      const equals = part.indexOf('=');
      return [part.slice(0, equals).trim().toLowerCase(), part.slice(equals + 1).trim()];
    }),
  );
  const endpoint = parts.get('accountendpoint');
  const key = parts.get('accountkey');
  if (!endpoint || !key) {
    throw new Error(`The connection string in '${connection}' must have AccountEndpoint and AccountKey.`);
  }
  return account(connection, endpoint, key);
}

function account(connection: string, endpoint: string, key: string): CosmosAccount {
  const url = URL.parse(endpoint);
  if (!url) throw new Error(`'${connection}' names no valid endpoint.`);
  return { endpoint: url.origin, key, host: url.hostname };
}
