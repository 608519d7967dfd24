/** The requests that the trigger makes of one container, each in the form in which the .NET SDK sends it. */
import type { CosmosAccount } from './cosmos-account.ts';
import { CosmosError, type CosmosHttp, type CosmosReply, createCosmosHttp } from './cosmos-http.ts';
import type { PartitionKeyRange, Routing } from './cosmos-routing.ts';

export interface ContainerProperties {
  id: string;
  _rid: string;
  partitionKey?: { paths?: string[] };
}

export interface CosmosContainer {
  readonly account: CosmosAccount;
  readonly link: string;
  readonly http: CosmosHttp;
  read(signal: AbortSignal): Promise<ContainerProperties>;
  create(signal: AbortSignal, throughput: number | undefined): Promise<void>;
  ranges(properties: ContainerProperties, signal: AbortSignal): Promise<PartitionKeyRange[]>;
  /** Over the ranges that the routing knows; once more after a refresh if one of them is gone. */
  query<T>(text: string, routing: Routing, signal: AbortSignal): Promise<T[]>;
  item(
    method: 'GET' | 'PUT' | 'DELETE',
    id: string,
    options?: { body?: object; etag?: string; signal?: AbortSignal },
  ): Promise<CosmosReply>;
  createItem(body: { id: string }): Promise<CosmosReply>;
}

/** A container's rid begins with the four bytes of its database's rid. */
export const databaseRid = (containerRid: string): string =>
  Buffer.from(containerRid.replaceAll('-', '/'), 'base64').subarray(0, 4).toString('base64').replaceAll('/', '-');

/** Lease containers are partitioned by id. */
const key = (id: string): Record<string, string> => ({ 'x-ms-documentdb-partitionkey': JSON.stringify([id]) });

export function openContainer(account: CosmosAccount, database: string, container: string): CosmosContainer {
  const http = createCosmosHttp(account);
  const databaseLink = `dbs/${database}`;
  const link = `${databaseLink}/colls/${container}`;
  const path = `/dbs/${encodeURIComponent(database)}/colls/${encodeURIComponent(container)}`;

  return {
    account,
    link,
    http,

    async read(signal) {
      const reply = await http({ method: 'GET', path, resourceType: 'colls', resourceLink: link, signal });
      if (reply.status !== 200) throw new CosmosError(`Reading container ${link}`, reply);
      return reply.body as ContainerProperties;
    },

    async create(signal, throughput) {
      const found = await http({
        method: 'GET',
        path: `/dbs/${encodeURIComponent(database)}`,
        resourceType: 'dbs',
        resourceLink: databaseLink,
        signal,
      });
      if (found.status !== 200) throw new CosmosError(`Reading database ${databaseLink}`, found);
      const existing = await http({ method: 'GET', path, resourceType: 'colls', resourceLink: link, signal });
      if (existing.status === 200) return;
      if (existing.status !== 404) throw new CosmosError(`Reading container ${link}`, existing);
      const created = await http({
        method: 'POST',
        path: `/dbs/${encodeURIComponent(database)}/colls`,
        resourceType: 'colls',
        resourceLink: databaseLink,
        body: { id: container, defaultTtl: -1, partitionKey: { paths: ['/id'], kind: 'Hash' } },
        ...(throughput && { headers: { 'x-ms-offer-throughput': String(throughput) } }),
        signal,
      });
      // 409: another host was faster.
      if (created.status !== 201 && created.status !== 409)
        throw new CosmosError(`Creating container ${link}`, created);
    },

    async ranges(properties, signal) {
      const { _rid: rid } = properties;
      const ranges = new Map<string, PartitionKeyRange>();
      let etag: string | undefined;
      for (;;) {
        const reply = await http({
          method: 'GET',
          path: `/dbs/${databaseRid(rid)}/colls/${rid}/pkranges`,
          resourceType: 'pkranges',
          resourceLink: rid.toLowerCase(),
          headers: {
            'a-im': 'Incremental Feed',
            'x-ms-max-item-count': '-1',
            ...(etag !== undefined && { 'if-none-match': etag }),
          },
          signal,
        });
        if (reply.status === 304) break;
        if (reply.status !== 200) throw new CosmosError(`Reading the ranges of ${link}`, reply);
        const page = (reply.body as { PartitionKeyRanges?: PartitionKeyRange[] }).PartitionKeyRanges ?? [];
        for (const range of page) ranges.set(range.id, range);
        // An endpoint that repeats itself would keep the real client here for ever.
        if (reply.etag === undefined || reply.etag === etag) break;
        etag = reply.etag;
      }
      // Ranges that have been split stay in the feed; their children name them.
      const gone = new Set([...ranges.values()].flatMap((range) => range.parents ?? []));
      return [...ranges.values()].filter((range) => !gone.has(range.id));
    },

    async query<T>(text: string, routing: Routing, signal: AbortSignal): Promise<T[]> {
      const post = (headers: Record<string, string>): Promise<CosmosReply> =>
        http({
          method: 'POST',
          path: `${path}/docs`,
          resourceType: 'docs',
          resourceLink: link,
          headers: {
            'content-type': 'application/query+json',
            'x-ms-documentdb-query-enablecrosspartition': 'True',
            ...headers,
          },
          body: { query: text },
          signal,
        });
      const plan = await post({
        'x-ms-cosmos-is-query-plan-request': 'True',
        'x-ms-cosmos-supported-query-features':
          'Aggregate, Distinct, GroupBy, MultipleOrderBy, OffsetAndLimit, OrderBy, Top',
        'x-ms-cosmos-query-version': '1.0',
      });
      if (plan.status !== 200) throw new CosmosError(`Query plan of ${link}`, plan);
      const readAll = async (): Promise<T[]> => {
        const documents: T[] = [];
        for (const range of await routing.all()) {
          let continuation: string | undefined;
          do {
            const reply: CosmosReply = await post({
              'x-ms-documentdb-isquery': 'True',
              'x-ms-documentdb-partitionkeyrangeid': range.id,
              ...(continuation && { 'x-ms-continuation': continuation }),
            });
            if (reply.status !== 200) throw new CosmosError(`Query of ${link}`, reply);
            documents.push(...((reply.body as { Documents?: T[] }).Documents ?? []));
            continuation = reply.headers.get('x-ms-continuation') ?? undefined;
          } while (continuation);
        }
        return documents;
      };
      try {
        return await readAll();
      } catch (error) {
        if (!(error instanceof CosmosError) || error.status !== 410) throw error;
        routing.refresh();
        return await readAll();
      }
    },

    item: (method, id, options = {}) =>
      http({
        method,
        path: `${path}/docs/${encodeURIComponent(id)}`,
        resourceType: 'docs',
        resourceLink: `${link}/docs/${id}`,
        headers: {
          ...key(id),
          ...(options.etag && { 'if-match': options.etag }),
          ...(method === 'PUT' && { prefer: 'return=minimal' }),
        },
        ...(options.body && { body: options.body }),
        ...(options.signal && { signal: options.signal }),
      }),

    createItem: (body) =>
      http({
        method: 'POST',
        path: `${path}/docs`,
        resourceType: 'docs',
        resourceLink: link,
        headers: key(body.id),
        body,
      }),
  };
}
