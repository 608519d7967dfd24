/** Queries and plain listing of documents: from which ranges, in which pages, and what only the client can merge. */
import { continuationOf, holdsEpk, offsetOf, offsetToken, stepOf } from './continuation.ts';
import { enter } from './document-handlers.ts';
import { badRequest, CosmosError } from './errors.ts';
import { isObject, type Json, type JsonObject } from './json.ts';
import { type CompiledQuery, compileQuery, type QuerySpec, type Result } from './query/compile.ts';
import { type PayloadForm, planOf, refuseUnmergeable, unmark } from './query/plan.ts';
import { parseSpec } from './query-spec.ts';
import { firstIndex, type Item, type PartitionRange } from './range.ts';
import { checkSession, seen } from './replica.ts';
import { atPosition, positionHeaders, type Reply, reply } from './reply.ts';
import { type CosmosRequest, header } from './request.ts';
import type { Site } from './site.ts';
import type { Container } from './store.ts';
import { pageSize, type Target, targetOf } from './target.ts';

/** Several ORDER BY paths need a composite index, as in the service; the opposite direction of one is as good. */
const checkOrder = (container: Container, { order }: CompiledQuery): void => {
  if (order.length < 2) return;
  const policy = container.resource['indexingPolicy'];
  const indexes = isObject(policy) && Array.isArray(policy['compositeIndexes']) ? policy['compositeIndexes'] : [];
  const matches = (index: Json, flip: boolean): boolean =>
    Array.isArray(index) &&
    index.length === order.length &&
    index.every(
      (one, at) =>
        isObject(one) &&
        one['path'] === order[at]?.path &&
        (one['order'] === 'descending') !== ((order[at]?.descending ?? false) === flip),
    );
  if (!indexes.some((index) => matches(index, false) || matches(index, true)))
    throw badRequest('The order by query does not have a corresponding composite index that it can be served from.');
};

interface Page {
  values: unknown[];
  /** Where the next page starts, if there is one: after an item, or at a row of an ordered result. */
  next: number | undefined;
}

/** The documents of a range, as this replica has them, in order of writing. */
const candidates = (target: Target, range: PartitionRange, after: number): Item[] => {
  const items = target.partition ? [...target.partition.items.values()] : range.items;
  return items.slice(firstIndex(items, ({ ordinal }) => ordinal > after));
};

const stream = (
  items: Item[],
  view: (item: Item) => JsonObject | undefined,
  query: CompiledQuery,
  size: number,
): Page => {
  const values: unknown[] = [];
  for (const [index, item] of items.entries()) {
    const body = view(item);
    if (body) values.push(...query.run([body]).map(({ value }) => value));
    if (values.length >= size && index + 1 < items.length) return { values, next: item.ordinal };
  }
  return { values, next: undefined };
};

const shape = ({ value, order, rid }: Result, form: PayloadForm): unknown =>
  form === 'order' ? { _rid: rid, orderByItems: order.map((item) => ({ item })), payload: value } : value;

const whole = (documents: JsonObject[], query: CompiledQuery, form: PayloadForm, start: number, size: number): Page => {
  if (form === 'aggregate') return { values: [[{ item: query.partial(documents) }]], next: undefined };
  const results = query.run(documents);
  const end = start + size;
  const values = results.slice(start, end).map((result) => shape(result, form));
  return { values, next: end < results.length ? end : undefined };
};

/** What the gateway says to a query that it cannot answer by going through the ranges; SDKs then use the plan. */
const notServable = (query: string, compiled: CompiledQuery): CosmosError => {
  refuseUnmergeable(compiled);
  return new CosmosError(
    400,
    'The provided cross partition query can not be directly served by the gateway. This is a first chance (internal) exception that all newer clients will know how to handle gracefully.',
    1004,
    { additionalErrorInfo: JSON.stringify(planOf(query, compiled)) },
  );
};

const answer = (site: Site, request: CosmosRequest, { query: text, parameters }: QuerySpec): Reply => {
  const { container, now } = enter(site, request);
  const { query, form } = unmark(text);
  const compiled = compileQuery({ query, parameters });
  checkOrder(container, compiled);
  const target = targetOf(container, request);
  if (target.fanOut && !compiled.streaming) {
    // A client that asks by the leading part of a hierarchical key would drop it when it goes by the plan.
    if (header(request, 'x-ms-documentdb-partitionkey') === undefined) throw notServable(query, compiled);
    if (target.ranges.length > 1)
      throw badRequest('This emulator does not merge ordered or aggregated prefix queries.');
  }
  const token = header(request, 'x-ms-continuation') ?? '';
  const step = stepOf(compiled.streaming ? token : '', target);
  const { range, own } = step;
  const lsn = site.replica.lsn(range, now);
  const position = positionHeaders(container, range, lsn);
  return atPosition(position, () => {
    checkSession(header(request, 'x-ms-session-token'), range, lsn);
    const inStep = holdsEpk(own);
    const view = (item: Item): JsonObject | undefined =>
      target.holds(item.partition) && inStep(item.partition)
        ? seen(container, item, lsn, now)?.document.body
        : undefined;
    const items = candidates(target, range, own.after);
    const page = compiled.streaming
      ? stream(items, view, compiled, pageSize(request))
      : whole(
          items.map(view).filter((body) => body !== undefined),
          compiled,
          form,
          offsetOf(token, range),
          pageSize(request),
        );
    const offset = page.next === undefined ? undefined : offsetToken(range, page.next);
    const continuation = compiled.streaming ? continuationOf(step, page.next, target) : offset;
    return reply(
      200,
      { _rid: container.rid.text, Documents: page.values, _count: page.values.length },
      {
        ...position,
        'x-ms-item-count': String(page.values.length),
        'x-ms-request-charge': String(2 + Math.ceil(items.length / 50)),
        ...(continuation === undefined ? {} : { 'x-ms-continuation': continuation }),
      },
    );
  });
};

export const runQuery = (site: Site, request: CosmosRequest): Reply => answer(site, request, parseSpec(request));

export const readFeed = (site: Site, request: CosmosRequest): Reply =>
  answer(site, request, { query: 'SELECT * FROM c', parameters: [] });

export const readPlan = (site: Site, request: CosmosRequest): Reply => {
  const { container } = enter(site, request);
  const spec = parseSpec(request);
  const compiled = compileQuery(spec);
  checkOrder(container, compiled);
  refuseUnmergeable(compiled);
  return reply(200, planOf(spec.query, compiled));
};
