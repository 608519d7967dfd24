// One request for items of one logical partition: a point read where the id allows it, else a query. The position
// is the answer's own session token, never the SDK's merged session.

import type { Container, FeedResponse, PartitionKey, QueryIterator } from '@azure/cosmos';
import { WarmfeedError } from '../core/errors.ts';
import type { KeyPart } from '../core/key.ts';
import type { Document, Partition, Position, QueryStatement } from '../core/ports.ts';
import { isObject, isPathSafe } from './cosmos-key.ts';
import type { Partitions } from './cosmos-partitions.ts';
import { parseSessionToken, type RangeToken } from './cosmos-session.ts';

/** Ids of one logical partition. */
export interface Group {
  readonly partition: readonly KeyPart[];
  readonly ids: readonly string[];
}

export interface Call {
  readonly signal: AbortSignal;
  readonly sessionToken: string | undefined;
}

export interface Answer {
  readonly partition: Partition;
  readonly asOf: Position;
  /** Request units. */
  readonly units: number;
  /** By id, with system properties. */
  readonly found: ReadonlyMap<string, Document>;
}

type Headers = Readonly<Record<string, unknown>>;

interface RequestDeps {
  readonly place: string;
  readonly open: () => Promise<Container>;
  readonly partitions: Partitions;
  /** Called with the token of every answer. */
  readonly saw: (partition: string, token: RangeToken) => void;
}

const NOT_FOUND = 404;

/** Rows of a declared query, a page of them. */
export interface QueriedPage {
  /** Undefined: several partitions answered, and their positions have no common order. */
  readonly at: { readonly asOf: Position; readonly partition: Partition } | undefined;
  /** With system properties. */
  readonly rows: readonly Document[];
  readonly continuation: string | undefined;
}

/** The SDK returns a 404 where it throws every other refusal. */
class StatusError extends Error {
  readonly code: number;
  readonly substatus: number;

  constructor(code: number, substatus: number) {
    super(`status ${code}/${substatus}`);
    this.code = code;
    this.substatus = substatus;
  }
}

export function createRequest({ place, open, partitions, saw }: RequestDeps) {
  /** @throws what the SDK throws */
  async function request(group: Group, call: Call): Promise<Answer> {
    const [id] = group.ids;
    return group.ids.length === 1 && id !== undefined && isPathSafe(id)
      ? readItem(group.partition, id, call)
      : queryItems(group, call);
  }

  async function readItem(partition: readonly KeyPart[], id: string, call: Call): Promise<Answer> {
    const container = await open();
    const response = await container.item(id, partitionKeyOf(partition)).read(optionsOf(call));
    const { statusCode, substatus = 0, resource, headers } = response;
    if (statusCode === NOT_FOUND) {
      // Only a 404 that tells a position is an absent item: without one it is the container that is missing.
      if (substatus !== 0 || tokenIn(headers) === undefined) throw new StatusError(statusCode, substatus);
      return answerOf([headers], []);
    }
    if (!isObject(resource) || resource['id'] !== id) throw rejected('an answer is not the item that was asked for');
    return answerOf([headers], [resource]);
  }

  async function queryItems({ partition, ids }: Group, call: Call): Promise<Answer> {
    const container = await open();
    const spec = {
      query: 'SELECT * FROM c WHERE ARRAY_CONTAINS(@ids, c.id)',
      parameters: [{ name: '@ids', value: [...ids] }],
    };
    const pages = container.items.query<Document>(spec, {
      ...optionsOf(call),
      partitionKey: partitionKeyOf(partition),
      maxItemCount: ids.length,
    });
    const documents: Document[] = [];
    const headers: Headers[] = [];
    do {
      const page: FeedResponse<Document> = await pages.fetchNext();
      // Private in the types, and nowhere else is the session token of a page.
      headers.push(page['headers']);
      documents.push(...(page.resources ?? []));
    } while (pages.hasMoreResults());
    return answerOf(headers, documents);
  }

  /** @throws what the SDK throws */
  async function query(statement: QueryStatement, call: Call): Promise<QueriedPage> {
    const { partition, maxRows, continuation } = statement;
    const container = await open();
    const pagesFrom = (token: string | undefined, most: number) => pagesOf(container, statement, call, token, most);
    // One partition goes on where a page ended; of several, only all that there is can be told.
    const most = partition === undefined ? maxRows + 1 : maxRows;
    const rows: Document[] = [];
    const headers: Headers[] = [];
    let pages = pagesFrom(continuation, maxRows);
    for (;;) {
      const page: FeedResponse<Document> = await pages.fetchNext();
      headers.push(page['headers']);
      rows.push(...(page.resources ?? []));
      const { continuationToken: next } = page;
      const hasMore = pages.hasMoreResults();
      if (!hasMore || rows.length >= most) {
        const at = partition === undefined ? undefined : await answerOf(headers, rows);
        return { at: at && { asOf: at.asOf, partition: at.partition }, rows, continuation: hasMore ? next : undefined };
      }
      // A short page: the next one must not bring more than what is missing.
      if (partition !== undefined && next !== undefined) pages = pagesFrom(next, most - rows.length);
    }
  }

  /** Pages may come from different replicas: together they reflect what the least of them does. */
  async function answerOf(pages: readonly Headers[], documents: readonly Document[]): Promise<Answer> {
    const tokens = pages.map((headers) => tokenIn(headers) ?? missing());
    const [first = missing()] = tokens;
    const least = tokens.reduce((min, token) => (token.lsn < min.lsn ? token : min), first);
    if (tokens.some(({ range }) => range !== first.range)) {
      const message = `${place}: the partition was split during a query`;
      throw new WarmfeedError('SOURCE_UNAVAILABLE', message, { retryable: true });
    }
    const rid = await partitions.ridOf({ headers: pages[0] ?? {}, document: documents[0] });
    const partition = await partitions.partitionOf(rid, least.range);
    saw(partition.id, least);
    const units = pages.reduce((sum, headers) => sum + (Number(headers['x-ms-request-charge']) || 0), 0);
    return {
      partition,
      asOf: least.lsn,
      units,
      found: new Map(documents.map((found) => [String(found['id']), found])),
    };
  }

  function missing(): never {
    throw rejected('an answer has no session token');
  }

  function rejected(says: string): WarmfeedError {
    return new WarmfeedError('SOURCE_REJECTED', `${place}: ${says}`);
  }

  return { request, query };
}

function tokenIn(headers: Headers): RangeToken | undefined {
  const text = headers['x-ms-session-token'];
  const tokens = typeof text === 'string' ? parseSessionToken(text) : undefined;
  return tokens?.length === 1 ? tokens[0] : undefined;
}

/** A value that the document lacks is `{}`: other than null. */
function partitionKeyOf(partition: readonly KeyPart[]): PartitionKey {
  return partition.map((part) => part ?? (part === null ? null : {}));
}

function pagesOf(
  container: Container,
  { text, values, partition }: QueryStatement,
  call: Call,
  continuationToken: string | undefined,
  maxItemCount: number,
): QueryIterator<Document> {
  const parameters = Object.entries(values).map(([name, value]) => ({ name: `@${name}`, value }));
  return container.items.query<Document>(
    { query: text, parameters },
    {
      ...optionsOf(call),
      ...(partition === undefined ? {} : { partitionKey: partitionKeyOf(partition) }),
      ...(continuationToken === undefined ? {} : { continuationToken }),
      maxItemCount,
    },
  );
}

function optionsOf({ signal, sessionToken }: Call): { abortSignal: AbortSignal; sessionToken?: string } {
  return sessionToken === undefined ? { abortSignal: signal } : { abortSignal: signal, sessionToken };
}
