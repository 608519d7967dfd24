// A Cosmos DB container as a source. Reads are retried for what time cures (a replica that lags behind, a short
// throttle) within their deadline; an answer that is not at the floor is never given.

import { isWarmfeedError, WarmfeedError } from '../core/errors.ts';
import { type Key, keyText } from '../core/key.ts';
import type {
  Change,
  Document,
  Floor,
  QueryRead,
  QueryStatement,
  ReadOptions,
  ScannedPage,
  ScanRequest,
  Source,
  SourceRead,
} from '../core/ports.ts';
import type { FeedPositions } from '../core/sync/feed-watch.ts';
import { type ChangeFeedMode, changeOf } from './cosmos-change.ts';
import type { CosmosClients, CosmosConnection } from './cosmos-client.ts';
import { isLagging, sourceError } from './cosmos-errors.ts';
import { type Address, addressOf, isObject, keyOf, withoutSystemProperties } from './cosmos-key.ts';
import { positionsIn } from './cosmos-leases.ts';
import { createContainerLife, type DefaultTtl, expiryOf } from './cosmos-life.ts';
import { createPartitions } from './cosmos-partitions.ts';
import { type Answer, type Call, createRequest, type Group, type QueriedPage } from './cosmos-request.ts';
import { scanKeys } from './cosmos-scan.ts';
import { parseSessionToken, type RangeToken, tokenAtLeast } from './cosmos-session.ts';
import { deadline, pause, untilAborted } from './deadline.ts';

export { type CosmosClients, type CosmosConnection, createCosmosClients } from './cosmos-client.ts';
export { cosmosKeyColumns } from './cosmos-key.ts';

export interface CosmosSourceOptions {
  readonly connection: CosmosConnection;
  /** Name of the app setting that has the connection. */
  readonly connectionName: string;
  readonly database: string;
  readonly container: string;
  /** One to three paths; `/id` is the id itself. */
  readonly partitionKey: readonly string[];
  readonly replicaLagMs: number;
  /** Longest duration of a read of one key or of one group, retries included. */
  readonly requestTimeoutMs: number;
  readonly preferredLocations?: readonly string[];
  readonly changeFeedMode: ChangeFeedMode;
  /** Where the trigger keeps its positions, in the same database. */
  readonly leases: { readonly container: string; readonly prefix: string };
}

export interface CosmosSource extends Source {
  /** Learns what changes do not tell of themselves. Before a page of them; never rejects. */
  readonly ready: () => Promise<unknown>;
  /** See core/sync/feed-watch.ts. @throws WarmfeedError SOURCE_* */
  feedPositions(): Promise<FeedPositions | string>;
}

type Attempt<A> = { readonly answer: A } | { readonly failure: WarmfeedError; readonly againAfterMs?: number };

const IDS_PER_QUERY = 100;
const REQUESTS_AT_ONCE = 16;
const LONGEST_PAUSE_MS = 200;
const THROTTLE_RETRIES = 3;

export function createCosmosSource(options: CosmosSourceOptions, clients: CosmosClients): CosmosSource {
  const { connection, database, container, partitionKey, preferredLocations, requestTimeoutMs } = options;
  const name = `cosmos/${options.connectionName}/${database}/${container}`;
  /** The last token of each partition: tells the form of those that ask for more. */
  const tokens = new Map<string, RangeToken>();
  const open = async () => (await clients.get(connection, preferredLocations)).database(database).container(container);
  const partitions = createPartitions(name, open, requestTimeoutMs);
  const life = createContainerLife(partitions.readContainer);
  const { request, query: queryPage } = createRequest({
    place: name,
    open,
    partitions,
    saw: (id, token) => tokens.set(id, token),
  });

  async function read(key: Key, readOptions: ReadOptions = {}): Promise<SourceRead> {
    const { partition, id } = addressOf(partitionKey, key);
    const [answer, defaultTtl] = await Promise.all([askFor({ partition, ids: [id] }, readOptions), life.defaultTtl()]);
    return readOf(answer, id, defaultTtl);
  }

  async function readMany(keys: readonly Key[], readOptions: ReadOptions = {}): Promise<readonly SourceRead[]> {
    const { groups, places } = grouped(keys.map((key) => addressOf(partitionKey, key)));
    const answers = new Map<Group, Answer>();
    const queue = groups.values();
    const stop = new AbortController();
    const signal = readOptions.signal === undefined ? stop.signal : AbortSignal.any([readOptions.signal, stop.signal]);
    const worker = async () => {
      for (const group of queue) answers.set(group, await askFor(group, { ...readOptions, signal }));
    };
    try {
      await Promise.all(Array.from({ length: REQUESTS_AT_ONCE }, worker));
    } finally {
      stop.abort();
    }
    const defaultTtl = await life.defaultTtl();
    const counted = new Set<Group>();
    return places.map(({ group, id }) => {
      const answer = answers.get(group) as Answer;
      const units = counted.has(group) ? 0 : answer.units;
      counted.add(group);
      return readOf({ ...answer, units }, id, defaultTtl);
    });
  }

  const askFor = (group: Group, readOptions: ReadOptions): Promise<Answer> =>
    ask((call) => request(group, call), isAt, readOptions);

  /** Asks until the answer is at the floor or the time is up. */
  async function ask<A>(
    work: (call: Call) => Promise<A>,
    isEnough: (answer: A, floor: Floor | undefined) => boolean,
    { signal: caller, floor }: ReadOptions,
  ): Promise<A> {
    const signal = deadline(requestTimeoutMs, caller);
    const end = performance.now() + requestTimeoutMs;
    let before: WarmfeedError | undefined;
    for (let turn = 0; ; turn++) {
      const attempt = await attemptOf(work, isEnough, { signal, floor, turn });
      if ('answer' in attempt) return attempt.answer;
      const { failure, againAfterMs } = attempt;
      if (signal.aborted) throw before ?? failure;
      if (againAfterMs === undefined || performance.now() + againAfterMs >= end) throw failure;
      before = failure;
      await pause(againAfterMs, signal).catch(() => {
        throw failure;
      });
    }
  }

  async function attemptOf<A>(
    work: (call: Call) => Promise<A>,
    isEnough: (answer: A, floor: Floor | undefined) => boolean,
    { signal, floor, turn }: { signal: AbortSignal; floor: Floor | undefined; turn: number },
  ): Promise<Attempt<A>> {
    const againAfterMs = Math.min(LONGEST_PAUSE_MS, 10 * 2 ** turn);
    try {
      const answer = await untilAborted(signal, work({ signal, sessionToken: sessionTokenOf(floor) }));
      return isEnough(answer, floor) ? { answer } : { failure: behind(), againAfterMs };
    } catch (error) {
      if (signal.aborted) return { failure: failed('SOURCE_TIMEOUT', 'no answer in time', error) };
      const failure = sourceError(name, error);
      if (isLagging(error)) return floor === undefined ? { failure } : { failure: behind(error), againAfterMs };
      if (failure.retryAfterMs !== undefined && turn < THROTTLE_RETRIES) {
        return { failure, againAfterMs: failure.retryAfterMs };
      }
      return isWarmfeedError(error) && error.retryable ? { failure, againAfterMs } : { failure };
    }
  }

  async function query(statement: QueryStatement, readOptions: ReadOptions = {}): Promise<QueryRead> {
    try {
      const isEnough = ({ at }: QueriedPage, floor: Floor | undefined) => at === undefined || isAt(at, floor);
      const { at, rows, continuation } = await ask((call) => queryPage(statement, call), isEnough, readOptions);
      if (rows.length > statement.maxRows) {
        const says = `${name}: a query gave more than ${statement.maxRows} rows; its text needs a limit`;
        throw new WarmfeedError('QUERY_TOO_LARGE', says);
      }
      return {
        rows: rows.map((row) => (isObject(row) ? withoutSystemProperties(row) : { value: row })),
        keys: rows.map((row) => keyOfRow(row)),
        at,
        isTracked: true,
        continuation,
        ...firstExpiry(rows, await life.defaultTtl()),
      };
    } catch (error) {
      const failure = sourceError(name, error);
      if (statement.continuation === undefined || failure.code !== 'SOURCE_REJECTED') throw failure;
      throw new WarmfeedError('BAD_REQUEST', 'the continuation is none of this query', { cause: error });
    }
  }

  /** Undefined also for a row without the partition key: it may be a projection that left it out. */
  function keyOfRow(row: unknown): Key | undefined {
    const id = isObject(row) ? row['id'] : undefined;
    if (!isObject(row) || typeof id !== 'string') return undefined;
    const key = keyOf(partitionKey, row, id);
    return key.includes(undefined) ? undefined : key;
  }

  function sessionTokenOf(floor: Floor | undefined): string | undefined {
    if (floor === undefined) return undefined;
    if (floor.token !== undefined) return floor.token;
    const wanted = [...floor.positions].map(([id, position]) =>
      tokenAtLeast(id.slice(id.indexOf('/') + 1), position, tokens.get(id)),
    );
    return wanted.length === 0 ? undefined : wanted.join(',');
  }

  async function floorOf(text: string): Promise<Floor> {
    const ranges = parseSessionToken(text);
    if (ranges === undefined) throw new WarmfeedError('BAD_REQUEST', 'not a session token of Cosmos DB');
    const token = ranges.map(({ prefix, lsn, suffix }) => `${prefix}${lsn}${suffix}`).join(',');
    try {
      const rid = await untilAborted(deadline(requestTimeoutMs), partitions.ridNow());
      return { token, positions: new Map(ranges.map(({ range, lsn }) => [`${rid}/${range}`, lsn])) };
    } catch (error) {
      throw sourceError(name, error);
    }
  }

  async function check(): Promise<void> {
    try {
      const paths = (await untilAborted(deadline(requestTimeoutMs), partitions.readContainer())).partitionKey;
      if (paths.join() === partitionKey.join()) return;
    } catch (error) {
      throw sourceError(name, error);
    }
    throw failed('SOURCE_REJECTED', `its partition key is not ${partitionKey.join(', ')}`);
  }

  async function scan(page: ScanRequest): Promise<ScannedPage> {
    try {
      return await scanKeys(await open(), partitionKey, page, deadline(requestTimeoutMs));
    } catch (error) {
      throw sourceError(name, error);
    }
  }

  async function feedPositions(): Promise<FeedPositions | string> {
    try {
      // Read afresh: a container of this name may have been made anew.
      const { rid } = await untilAborted(deadline(requestTimeoutMs), partitions.readContainer());
      const leases = (await clients.get(connection, preferredLocations))
        .database(database)
        .container(options.leases.container);
      return await positionsIn(leases, options.leases.prefix, rid, requestTimeoutMs);
    } catch (error) {
      throw sourceError(name, error);
    }
  }

  function change(item: unknown): Change {
    const defaultTtl = life.known();
    return changeOf({ place: name, partitionKey, mode: options.changeFeedMode, defaultTtl }, item);
  }

  function behind(cause?: unknown): WarmfeedError {
    return failed('SOURCE_UNAVAILABLE', 'no replica has reached the position that was asked for', cause);
  }

  function failed(code: 'SOURCE_UNAVAILABLE' | 'SOURCE_TIMEOUT' | 'SOURCE_REJECTED', says: string, cause?: unknown) {
    return new WarmfeedError(code, `${name}: ${says}`, { retryable: code !== 'SOURCE_REJECTED', cause });
  }

  return {
    name,
    replicaLagMs: options.replicaLagMs,
    changesHold: 'documents',
    read,
    readMany,
    scan,
    query,
    check,
    floor: floorOf,
    change,
    ready: life.defaultTtl,
    feedPositions,
  };
}

function firstExpiry(rows: readonly Document[], defaultTtl: DefaultTtl): { expiresAt?: number } {
  const times = rows.flatMap((row) => (isObject(row) ? (expiryOf(row, defaultTtl).expiresAt ?? []) : []));
  return times.length === 0 ? {} : { expiresAt: Math.min(...times) };
}

/** Whether an answer is at all positions of its own lineage; those of other partitions say nothing about it. */
function isAt({ partition, asOf }: Pick<Answer, 'partition' | 'asOf'>, floor: Floor | undefined): boolean {
  for (const [id, position] of floor?.positions ?? []) {
    const concerns = id === partition.id || partition.ancestors.includes(id);
    if (concerns && asOf < position) return false;
  }
  return true;
}

function readOf({ partition, asOf, found, units }: Answer, id: string, defaultTtl: DefaultTtl): SourceRead {
  const document = found.get(id);
  const position = { asOf, version: asOf, partition, units };
  if (document === undefined) return { document, ...position };
  return { document: withoutSystemProperties(document), ...position, ...expiryOf(document, defaultTtl) };
}

/** Groups of distinct ids, each for one request, and where each address is to be found. */
function grouped(addresses: readonly Address[]): { groups: readonly Group[]; places: readonly Place[] } {
  const groups: { partition: Address['partition']; ids: string[] }[] = [];
  const open = new Map<string, (typeof groups)[number]>();
  const known = new Map<string, Place>();
  const places = addresses.map(({ partition, id }) => {
    const key = keyText([...partition, id]);
    const text = keyText(partition);
    let place = known.get(key);
    if (place !== undefined) return place;
    let group = open.get(text);
    if (group === undefined || group.ids.length === IDS_PER_QUERY) {
      group = { partition, ids: [] };
      open.set(text, group);
      groups.push(group);
    }
    group.ids.push(id);
    place = { group, id };
    known.set(key, place);
    return place;
  });
  return { groups, places };
}

interface Place {
  readonly group: Group;
  readonly id: string;
}
