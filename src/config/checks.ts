// What the checks of every part of a configuration share: durations, connections, texts with settings in them.

import type { Environment } from './settings.ts';
import { parseDuration } from './units.ts';

export type CosmosConnection =
  | { readonly connectionString: string }
  | { readonly endpoint: string; readonly clientId: string | undefined };

/** Notes a problem at a path below the caller's. */
export type Report = (path: string, message: string) => undefined;

export function duration(path: string, text: unknown, report: Report, least = 0): number | undefined {
  const ms = parseDuration(text);
  if (ms === undefined) return report(path, 'must be a duration such as "30s", "5m" or "1h"');
  return ms >= least ? ms : report(path, `must be at least ${least}ms`);
}

/** @param path of the part that has the connection */
export function resolveConnection(
  path: string,
  name: unknown,
  environment: Environment,
  report: Report,
): CosmosConnection | undefined {
  if (typeof name !== 'string' || !/^[A-Za-z]\w*$/.test(name))
    return report(path, 'must be the name of an app setting');
  const connectionString = environment[name];
  if (connectionString) {
    return /AccountEndpoint=https?:\/\/[^;]+;.*AccountKey=[^;]+/i.test(connectionString)
      ? { connectionString }
      : report(path, `the app setting ${name} is no connection string "AccountEndpoint=…;AccountKey=…;"`);
  }
  const endpoint = environment[`${name}__accountEndpoint`];
  if (!endpoint) return report(path, `neither the app setting ${name} nor ${name}__accountEndpoint is set`);
  if (!URL.canParse(endpoint)) return report(path, `the app setting ${name}__accountEndpoint is no URL`);
  return { endpoint, clientId: environment[`${name}__clientId`] };
}

/** A name, with `%NAME%` replaced by the app setting. */
export function resolveText(path: string, text: unknown, environment: Environment, report: Report): string | undefined {
  if (typeof text !== 'string' || text === '') return report(path, 'must be a name');
  let missing: string | undefined;
  const resolved = text.replace(/%(\w+)%/g, (_, name: string) => {
    const value = environment[name];
    if (!value) missing = name;
    return value ?? '';
  });
  return missing === undefined ? resolved : report(path, `the app setting ${missing} is missing`);
}
