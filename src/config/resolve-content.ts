// Checks the `content` of a cache definition and turns it into what the app runs on.

import { hash64 } from '../core/bytes.ts';
import { CODINGS, type Coding } from '../core/content/content.ts';
import { FORMAT } from '../core/record.ts';
import { connectionOf, duration, type Report, resolveText } from './checks.ts';
import type { BlobDefinition, ContentDefinition } from './define.ts';
import type { Environment } from './settings.ts';
import { parseSize } from './units.ts';

export type BlobConnection =
  | { readonly connectionString: string }
  | { readonly endpoint: string; readonly clientId: string | undefined };

export interface ResolvedBlobs {
  readonly connectionName: string;
  readonly connection: BlobConnection;
  readonly container: string;
}

export interface ResolvedContent {
  readonly name: 'content';
  readonly source: ResolvedBlobs;
  readonly fingerprint: Uint8Array;
  readonly ttlMs: number;
  readonly staleForMs: number;
  readonly staleIfErrorMs: number;
  readonly notFoundTtlMs: number;
  readonly maxBytes: number;
  readonly maxAnswerBytes: number;
  readonly precompressed: readonly Coding[];
  readonly cacheControl: readonly { readonly pattern: RegExp; readonly value: string }[];
  readonly activeContent: 'sandbox' | 'trust';
  readonly index: string | undefined;
  readonly authLevel: 'function' | 'anonymous';
  readonly events: boolean;
}

const OPTIONS =
  'source ttl staleFor staleIfError notFoundTtl maxBytes maxAnswerBytes precompressed cacheControl activeContent index authLevel events'.split(
    ' ',
  );

export function resolveContent(
  content: ContentDefinition | undefined,
  environment: Environment,
  report: Report,
): ResolvedContent | undefined {
  if (content === undefined) return undefined;
  if (typeof content !== 'object' || content === null) return report('', 'must be an object');
  for (const option of Object.keys(content)) {
    if (!OPTIONS.includes(option)) report(option, `unknown option; there are ${OPTIONS.join(', ')}`);
  }
  const source = resolveBlobs(content.source, environment, report);
  const ttlMs = duration('ttl', content.ttl, report, 1);
  const staleForMs = duration('staleFor', content.staleFor ?? '0s', report);
  const staleIfErrorMs = duration('staleIfError', content.staleIfError ?? '0s', report);
  const notFoundTtlMs = duration('notFoundTtl', content.notFoundTtl ?? '30s', report, 1);
  const maxBytes = size('maxBytes', content.maxBytes ?? '1mb', report);
  const maxAnswerBytes = size('maxAnswerBytes', content.maxAnswerBytes ?? '32mb', report);
  const served = resolveServed(content, report);
  const cacheControl = resolveRules(content.cacheControl ?? {}, report);
  if (!source || !ttlMs || !maxBytes || !maxAnswerBytes || !served) return undefined;
  if (maxAnswerBytes < maxBytes) report('maxAnswerBytes', 'must not be less than maxBytes');
  const lifetimes = { ttlMs, staleForMs: staleForMs ?? 0, staleIfErrorMs: staleIfErrorMs ?? 0 };
  const { connectionName, container } = source;
  const stored = [connectionName, container, Object.values(lifetimes), notFoundTtlMs, maxBytes, served.precompressed];
  return {
    name: 'content',
    source,
    fingerprint: hash64(JSON.stringify([FORMAT, ...stored])),
    ...lifetimes,
    notFoundTtlMs: notFoundTtlMs ?? 0,
    maxBytes,
    maxAnswerBytes,
    cacheControl,
    ...served,
  };
}

/** What says how it is served, and is not stored. */
function resolveServed(content: ContentDefinition, report: Report) {
  const precompressed = content.precompressed ?? CODINGS;
  if (!Array.isArray(precompressed) || precompressed.some((coding) => !CODINGS.includes(coding as Coding))) {
    report('precompressed', 'must list some of "br" and "gzip"');
  }
  const activeContent = oneOf('activeContent', content.activeContent ?? 'sandbox', ['sandbox', 'trust'], report);
  const authLevel = oneOf('authLevel', content.authLevel ?? 'function', ['function', 'anonymous'], report);
  const { index, events = false } = content;
  if (index !== undefined && (typeof index !== 'string' || !/^[^/\\]*[^/\\.]$/.test(index))) {
    report('index', 'must be the name of a file, such as "index.html"');
  }
  if (typeof events !== 'boolean') report('events', 'must be true or false');
  if (!activeContent || !authLevel) return undefined;
  return { precompressed, activeContent, authLevel, index, events };
}

function size(path: string, text: unknown, report: Report): number | undefined {
  const bytes = parseSize(text);
  return bytes !== undefined && bytes > 0 ? bytes : report(path, 'must be a size such as "512kb" or "2mb"');
}

function oneOf<const T extends string>(path: string, text: unknown, all: readonly T[], report: Report): T | undefined {
  return all.find((each) => each === text) ?? report(path, `must be one of ${all.map((x) => `"${x}"`).join(', ')}`);
}

function resolveBlobs(source: unknown, environment: Environment, report: Report): ResolvedBlobs | undefined {
  const definition = source as BlobDefinition | undefined;
  if (definition?.kind !== 'blob') return report('source', 'must be blob({…})');
  const connection = resolveConnection(definition.connection, environment, report);
  const container = resolveText('source.container', definition.container, environment, report);
  if (container !== undefined && !/^(\$web|\$root|[a-z0-9](?!.*--)[a-z0-9-]{1,61}[a-z0-9])$/.test(container)) {
    return report('source.container', 'must be the name of a container: 3 to 63 lower-case letters, digits and "-"');
  }
  return connection && container ? { connectionName: definition.connection, connection, container } : undefined;
}

/** Named as the storage settings of the Functions host: `X`, or `X__blobServiceUri` and `X__clientId`. */
function resolveConnection(name: unknown, environment: Environment, report: Report): BlobConnection | undefined {
  const path = 'source.connection';
  const found = connectionOf<Extract<BlobConnection, { endpoint: string }>>(path, name, environment, report, {
    isConnectionString: (text) =>
      /^UseDevelopmentStorage=true|(^|;)(AccountName|BlobEndpoint|SharedAccessSignature)=/i.test(text),
    form: 'connection string of a storage account',
    identity: (part) => {
      const endpoint = part('blobServiceUri');
      return endpoint === undefined ? undefined : { endpoint, clientId: part('clientId') };
    },
    needs: '$__blobServiceUri',
  });
  if (found !== undefined && 'endpoint' in found && !URL.canParse(found.endpoint)) {
    return report(path, `the app setting ${String(name)}__blobServiceUri is no URL`);
  }
  return found;
}

function resolveRules(rules: ContentDefinition['cacheControl'], report: Report): ResolvedContent['cacheControl'] {
  return Object.entries(rules ?? {}).map(([pattern, value]) => {
    if (typeof value !== 'string' || !/^[\x20-\x7e]+$/.test(value)) {
      report(`cacheControl.${pattern}`, 'must be the value of a Cache-Control header');
    }
    return { pattern: globOf(pattern), value };
  });
}

/** `*` is any text without a slash, and a `**` any text. */
function globOf(pattern: string): RegExp {
  const parts = pattern.replace(/^\//, '').split(/(\*\*\/|\*+)/);
  const source = parts.map((part) => {
    if (part === '**/') return '(?:.*/)?';
    if (part === '*') return '[^/]*';
    return part.startsWith('**') ? '.*' : part.replace(/[.+?^${}()|[\]\\]/g, '\\$&');
  });
  return new RegExp(`^${source.join('')}$`, 's');
}
