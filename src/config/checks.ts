// What the checks of every part of a configuration share: durations, connections, texts with settings in them.

import type { EntityHttp } from '../core/entity.ts';
import type { HttpOptions, Schema } from './define.ts';
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

/** The forms that a connection may be given in. */
interface ConnectionForms<T> {
  readonly isConnectionString: (text: string) => boolean;
  /** What a connection string looks like. */
  readonly form: string;
  /** Out of the settings `<name>__<part>`; undefined: they are not all there. */
  readonly identity: (part: (suffix: string) => string | undefined) => T | undefined;
  /** Which settings those are, `$` for the name. */
  readonly needs: string;
}

/** The value of the setting itself, or what `<name>__…` settings of an identity say. @param path of the option */
export function connectionOf<T>(
  path: string,
  name: unknown,
  environment: Environment,
  report: Report,
  forms: ConnectionForms<T>,
): { readonly connectionString: string } | T | undefined {
  if (typeof name !== 'string' || !/^[A-Za-z]\w*$/.test(name)) {
    return report(path, 'must be the name of an app setting');
  }
  const connectionString = environment[name];
  if (connectionString) {
    return forms.isConnectionString(connectionString)
      ? { connectionString }
      : report(path, `the app setting ${name} is no ${forms.form}`);
  }
  const found = forms.identity((suffix) => environment[`${name}__${suffix}`] || undefined);
  return found ?? report(path, `neither the app setting ${name} nor ${forms.needs.replaceAll('$', name)} is set`);
}

export function resolveConnection(
  path: string,
  name: unknown,
  environment: Environment,
  report: Report,
): CosmosConnection | undefined {
  const found = connectionOf<Extract<CosmosConnection, { endpoint: string }>>(path, name, environment, report, {
    isConnectionString: (text) => /AccountEndpoint=https?:\/\/[^;]+;.*AccountKey=[^;]+/i.test(text),
    form: 'connection string "AccountEndpoint=…;AccountKey=…;"',
    identity: (part) => {
      const endpoint = part('accountEndpoint');
      return endpoint === undefined ? undefined : { endpoint, clientId: part('clientId') };
    },
    needs: '$__accountEndpoint',
  });
  if (found !== undefined && 'endpoint' in found && !URL.canParse(found.endpoint)) {
    return report(path, `the app setting ${String(name)}__accountEndpoint is no URL`);
  }
  return found;
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

export function resolveSchema(schema: unknown, report: Report): Schema | undefined {
  if (schema === undefined) return undefined;
  if (typeof schema !== 'object' || schema === null || Array.isArray(schema)) return noSchema(report);
  try {
    const text = JSON.stringify(schema);
    // What is referred to would not be there in the document that it becomes a part of.
    if (text.includes('"$ref":')) return report('schema', 'must have no $ref');
    return JSON.parse(text) as Schema;
  } catch {
    return noSchema(report);
  }
}

function noSchema(report: Report): undefined {
  return report('schema', "must be a JSON Schema such as { type: 'object' }");
}

export function resolveHttp(http: HttpOptions, report: Report): EntityHttp {
  for (const option of Object.keys(http)) {
    if (!['maxAge', 'staleWhileRevalidate', 'staleIfError', 'public'].includes(option)) {
      report(`http.${option}`, 'unknown option; there are maxAge, staleWhileRevalidate, staleIfError, public');
    }
  }
  const seconds = (option: 'maxAge' | 'staleWhileRevalidate' | 'staleIfError') => {
    const ms = http[option] === undefined ? undefined : duration(`http.${option}`, http[option], report);
    return ms === undefined ? undefined : Math.floor(ms / 1000);
  };
  if (http.public !== undefined && typeof http.public !== 'boolean') report('http.public', 'must be true or false');
  return {
    maxAgeS: seconds('maxAge'),
    staleWhileRevalidateS: seconds('staleWhileRevalidate'),
    staleIfErrorS: seconds('staleIfError'),
    public: http.public ?? false,
  };
}
