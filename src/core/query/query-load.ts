// Loading a query's result: the state of its tags is captured before the load, and it is stored only if none of them,
// and none of its rows, changed since (protocol D: capture, load, check with membership, then the entry).

import type { Represented } from '../entity.ts';
import { keyText } from '../key.ts';
import type { Guarantee, QueryRead, ReadOptions, Stamp } from '../ports.ts';
import { createConfirm } from '../protocol/confirm.ts';
import { outcomeOf } from '../protocol/fill.ts';
import type { Snapshot } from '../protocol/generations.ts';
import {
  createLeasing,
  type Load,
  type LoadAnswer,
  type LoaderDeps,
  type LoadRequest,
  type Preparation,
  signalOf,
  survivor,
  uncached,
} from '../protocol/lease.ts';
import { type Admission, admit } from '../protocol/watermark.ts';
import { lifetimeUnder } from '../read/policy.ts';
import { dependenciesOf, type Query, representRows, statementOf } from './query.ts';
import type { Capture, QueryStore } from './query-ports.ts';

export interface QueryLoaderDeps extends LoaderDeps {
  readonly queries: QueryStore;
}

interface Captured extends Preparation {
  readonly captures: readonly Capture[];
}

/** Of no partition: entries are valid by their marks, not by positions. */
const LINEAGE = new Uint8Array(8);

/** The load rejects with WarmfeedError SOURCE_*, ROW_INVALID, QUERY_TOO_LARGE. */
export function createQueryLoader(deps: QueryLoaderDeps): Load<Query> {
  const { store, keys, generations, entropy, observe, options, queries } = deps;
  const quietly = survivor(observe);
  const confirm = createConfirm(deps);

  async function prepare({ entity: query, key }: LoadRequest<Query>): Promise<Captured> {
    const captures = await Promise.all(
      dependenciesOf(query, key).map(({ entity, tags }) => queries.capture(keys.queryIndex(entity.name), tags)),
    );
    return { captures, marks: captures.map(({ marks }) => marks).join('/') };
  }

  async function underLease(
    request: LoadRequest<Query>,
    token: Uint8Array,
    snapshot: Snapshot,
    captured: Captured,
  ): Promise<LoadAnswer> {
    const { entity: query, recordKey } = request;
    try {
      const { read, admission } = await load(request, snapshot);
      const represented = representRows(query, request.key, read, entropy.digest);
      // Undefined: the index could not be asked, which is told already.
      const verdict =
        'refused' in admission
          ? admission.refused
          : await quietly('admit', judge(request, captured, read, represented));
      if ('guarantee' in admission && verdict === 'admitted') {
        const stamp = generations.stamp(query, snapshot, captured.marks);
        const begunAt = snapshot.storeTimeMs;
        const leftMs = read.expiresAt === undefined ? undefined : read.expiresAt - generations.storeTime(snapshot);
        return await fill(request, { token, stamp, leftMs, begunAt, represented, guarantee: admission.guarantee });
      }
      if (verdict !== undefined && verdict !== 'admitted') {
        observe({ kind: 'fill', entity: query.name, by: 'read', outcome: verdict, recordKey });
      }
      await quietly('release', store.release(recordKey, token));
      return uncached(represented, false);
    } catch (error) {
      await quietly('release', store.release(recordKey, token));
      throw error;
    }
  }

  async function fill({ entity: query, recordKey }: LoadRequest<Query>, result: Result): Promise<LoadAnswer> {
    const { token, stamp, leftMs, begunAt, represented, guarantee } = result;
    const chance = { jitter: options.jitter, random: entropy.random(), leftMs };
    const life = lifetimeUnder(guarantee, options.provisionalMs, query, represented, chance);
    const at = { identity: LINEAGE, version: 0n, asOf: 0n, begunAt };
    const filled = await quietly(
      'fill',
      store.fill(recordKey, { token, stamp, guarantee, value: represented.value, ...at, ...life }),
    );
    if (filled === undefined) return uncached(represented, false);
    observe({ kind: 'fill', entity: query.name, by: 'read', outcome: outcomeOf(filled, guarantee), recordKey });
    if (filled !== 'stored') return uncached(represented, false);
    return { kind: 'loaded', represented, guarantee, softMs: life.softMs, bypass: false };
  }

  /** What a result may be stored under: one partition's positions close what a lagging replica leaves open. */
  async function load(request: LoadRequest<Query>, snapshot: Snapshot): Promise<Loaded> {
    const { entity: query, key } = request;
    const statement = statementOf(query, key);
    const run = (how: ReadOptions) => query.run(statement, how);
    const areOthersTracked = await othersTracked(request);
    const first = await run(signalOf(request));
    if (!first.isTracked || !areOthersTracked) return { read: first, admission: { guarantee: 'leased' } };
    if (first.at === undefined || query.of.length > 1) return { read: first, admission: { guarantee: 'fenced' } };
    const again = async (how: ReadOptions) => positioned(await run(how));
    const { source } = query.of[0];
    const { answer, watermark } = await confirm(positioned(first), { source, snapshot, again, ...signalOf(request) });
    return { read: answer.read, admission: admit(watermark, answer.asOf, options.provisionalMs) };
  }

  async function judge(
    { entity: query, key }: LoadRequest<Query>,
    { captures }: Captured,
    read: QueryRead,
    represented: Represented,
  ): Promise<'admitted' | 'too-large' | 'other-key' | 'tags'> {
    if (!represented.cacheable) return 'too-large';
    const items = query.isOfItems ? read.keys.flatMap((item) => (item === undefined ? [] : [keyText(item)])) : [];
    // A row that does not tell whose it is would not be found when its item changes.
    if (query.isOfItems && items.length < read.keys.length) return 'other-key';
    const admitted = await Promise.all(
      dependenciesOf(query, key).map(({ entity, tags }, i) =>
        queries.admit(keys.queryIndex(entity.name), captures[i] as Capture, tags, i === 0 ? items : []),
      ),
    );
    return admitted.every(Boolean) ? 'admitted' : 'tags';
  }

  return createLeasing(deps, {
    prepare,
    underLease,
    uncached: async (request, bypass) => {
      const read = await request.entity.run(statementOf(request.entity, request.key), signalOf(request));
      return uncached(representRows(request.entity, request.key, read, entropy.digest), bypass);
    },
  });
}

interface Loaded {
  readonly read: QueryRead;
  readonly admission: Admission;
}

/** A result that may be stored. */
interface Result {
  readonly token: Uint8Array;
  readonly stamp: Stamp;
  /** The store's time of before the load, ms. */
  readonly begunAt: number;
  readonly represented: Represented;
  readonly guarantee: Guarantee;
  /** Until the source drops one of its rows. */
  readonly leftMs: number | undefined;
}

/** Whether the changes of the entities that it is also made of are told. */
async function othersTracked(request: LoadRequest<Query>): Promise<boolean> {
  const [first, ...others] = request.entity.of;
  const sources = new Set(others.map(({ source }) => source));
  sources.delete(first.source);
  const told = await Promise.all(
    Array.from(sources, async (source) => (await source.isTracked?.(signalOf(request))) ?? true),
  );
  return told.every(Boolean);
}

/** An answer of several partitions, where one was expected, has no place in the order of any. */
function positioned(read: QueryRead) {
  const { asOf, partition } = read.at ?? { asOf: 0n, partition: { id: '', ancestors: [] } };
  return { read, asOf, partition };
}
