// The durable copy of sessions in a Cosmos DB container (partition key /id, time to live on). A replica may lag, so
// nothing is restored before a conditional write has proved that it is the newest: an ended session stays ended.

import type { Container } from '@azure/cosmos';
import { utf8 } from '../core/bytes.ts';
import { WarmfeedError } from '../core/errors.ts';
import type { DurableSessions } from '../core/session/session-ports.ts';
import type { SessionRecord } from '../core/session/session-record.ts';
import type { CosmosClients, CosmosConnection } from './cosmos-client.ts';
import { READ_SESSION_NOT_AVAILABLE, sourceError } from './cosmos-errors.ts';
import { deadline } from './deadline.ts';
import { createGuard, type GuardLimits } from './guard.ts';

export interface CosmosSessionsOptions {
  readonly connection: CosmosConnection;
  /** Name of the app setting that has the connection. */
  readonly connectionName: string;
  readonly database: string;
  readonly container: string;
  readonly limits: GuardLimits;
}

export interface CosmosSessions extends DurableSessions {
  readonly name: string;
  /** Rejects where the container cannot be used. @throws WarmfeedError SOURCE_* */
  check(): Promise<void>;
}

/** `id` is the digest of the session's id; `ttl` seconds. */
interface Live {
  readonly id: string;
  readonly state: 'live';
  readonly version: number;
  readonly created: number;
  readonly seen: number;
  readonly token: string;
  readonly subject: string | null;
  readonly body: string;
  readonly ttl: number;
}

interface Ended {
  readonly id: string;
  readonly state: 'ended';
  readonly ttl: number;
}

interface Stored {
  readonly document: Live | Ended;
  readonly etag: string;
}

/** Each attempt that fails is another's write that did not. */
const ATTEMPTS = 8;
const OF_SUBJECT = "SELECT VALUE c.id FROM c WHERE c.subject = @subject AND c.state = 'live'";

export function createCosmosSessions(options: CosmosSessionsOptions, clients: CosmosClients): CosmosSessions {
  const { connection, database, container, limits } = options;
  const place = `cosmos/${options.connectionName}/${database}/${container}`;
  const guarded = createGuard(place, limits);

  async function open(): Promise<Container> {
    return (await clients.get(connection)).database(database).container(container);
  }

  function run<T>(work: (container: Container, signal: AbortSignal) => Promise<T>): Promise<T> {
    return guarded({}, async ({ signal = deadline(limits.timeoutMs) }) => {
      try {
        return await work(await open(), signal);
      } catch (error) {
        throw sourceError(place, error);
      }
    });
  }

  /** Repeats what another's write has overtaken. */
  async function settle<T>(attempt: () => Promise<T | undefined>): Promise<T> {
    for (let left = ATTEMPTS; left > 0; left--) {
      const outcome = await attempt().catch(overtaken);
      if (outcome !== undefined) return outcome;
    }
    throw new WarmfeedError('SOURCE_UNAVAILABLE', `${place}: others write this session`, { retryable: true });
  }

  async function stored(items: Container, name: string, signal: AbortSignal): Promise<Stored | undefined> {
    const response = await items.item(name, name).read<Live | Ended>({ abortSignal: signal });
    const { statusCode, substatus = 0, resource, etag, headers } = response;
    if (statusCode !== 404 && resource !== undefined) return { document: resource, etag };
    if (substatus === READ_SESSION_NOT_AVAILABLE) {
      throw new WarmfeedError('SOURCE_UNAVAILABLE', `${place}: a replica lags behind`, { retryable: true });
    }
    // Only a 404 that tells a position is an absent item: without one it is the container that is missing.
    if (headers['x-ms-session-token'] !== undefined) return undefined;
    throw new WarmfeedError('SOURCE_REJECTED', `${place}: the database or the container does not exist`);
  }

  return {
    name: place,

    read: (name) =>
      run((items, signal) =>
        settle(async () => {
          const found = await stored(items, name, signal);
          if (found === undefined) return { kept: undefined };
          const { document, etag } = found;
          if (document.state === 'ended') return { kept: 'ended' as const };
          await replace(items, etag, document, signal);
          return { kept: recordOf(document) };
        }),
      ).then(({ kept }) => kept),

    write: (name, session, leftMs) =>
      run((items, signal) =>
        settle(async () => {
          const next = documentOf(name, session, leftMs);
          const found = await stored(items, name, signal);
          if (found === undefined) await items.items.create(next, { abortSignal: signal });
          else if (found.document.state === 'ended') return 'ended';
          else if (isNewer(next, found.document)) await replace(items, found.etag, next, signal);
          return 'kept';
        }),
      ),

    async end(name, keepMs) {
      const mark: Ended = { id: name, state: 'ended', ttl: seconds(keepMs) };
      await run((items, signal) => items.items.upsert(mark, { abortSignal: signal }));
    },

    listed: (subject) =>
      run(async (items, signal) => {
        const query = { query: OF_SUBJECT, parameters: [{ name: '@subject', value: base64url(subject) }] };
        return (await items.items.query<string>(query, { abortSignal: signal }).fetchAll()).resources;
      }),

    check: () =>
      run(async (items, signal) => {
        const { resource } = await items.read({ abortSignal: signal });
        if (resource?.partitionKey?.paths.join() === '/id' && resource.defaultTtl !== undefined) return;
        throw new WarmfeedError('SOURCE_REJECTED', `${place}: needs the partition key /id and its time to live on`);
      }),
  };
}

async function replace(items: Container, etag: string, next: Live, signal: AbortSignal): Promise<void> {
  const accessCondition = { type: 'IfMatch', condition: etag };
  await items.item(next.id, next.id).replace(next, { accessCondition, abortSignal: signal });
}

function overtaken(error: unknown): undefined {
  const code = typeof error === 'object' && error !== null && 'code' in error ? error.code : undefined;
  // Created, written or expired meanwhile.
  if (code !== 409 && code !== 412 && code !== 404) throw error;
}

/** Of one id there can be several lives, where the first expired. */
function isNewer(next: Live, found: Live): boolean {
  if (next.created !== found.created) return next.created > found.created;
  return next.version > found.version || (next.version === found.version && next.seen > found.seen);
}

function documentOf(name: string, session: SessionRecord, leftMs: number): Live {
  const { version, created, seen, token, subject, body } = session;
  return {
    id: name,
    state: 'live',
    version,
    created,
    seen,
    token: base64url(token),
    subject: subject === undefined ? null : base64url(subject),
    // As text: a database would print its numbers and the order of its members anew.
    body: Buffer.from(body).toString('utf8'),
    ttl: seconds(leftMs),
  };
}

function recordOf({ version, created, seen, token, subject, body }: Live): SessionRecord {
  return {
    version,
    created,
    seen,
    token: Buffer.from(token, 'base64url'),
    subject: subject === null ? undefined : Buffer.from(subject, 'base64url'),
    body: utf8(body),
  };
}

function seconds(ms: number): number {
  return Math.max(1, Math.ceil(ms / 1000));
}

function base64url(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('base64url');
}
