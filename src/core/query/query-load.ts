// Loading a query's result: the state of its tags is captured before the load, and it is stored only if none of them,
// and none of its rows, changed since (protocol D: capture, load, check with membership, then the entry).

import type { Represented } from '../entity.ts';
import { keyText } from '../key.ts';
import type { QueryRead, ReadOptions } from '../ports.ts';
import { createConfirm } from '../protocol/confirm.ts';
import type { Snapshot } from '../protocol/generations.ts';
import {
  createLeasing,
  type Load,
  type Loaded,
  type LoaderDeps,
  type LoadRequest,
  type Preparation,
  signalOf,
  survivor,
} from '../protocol/lease.ts';
import { type Admission, admit } from '../protocol/watermark.ts';
import { dependenciesOf, type Query, representRows, statementOf } from './query.ts';
import type { Capture, QueryStore } from './query-ports.ts';

export interface QueryLoaderDeps extends LoaderDeps {
  readonly queries: QueryStore;
}

interface Captured extends Preparation {
  readonly captures: readonly Capture[];
}

/** Of no partition: entries are valid by their marks, not by positions. */
const NOWHERE = { identity: new Uint8Array(8), version: 0n, asOf: 0n };

/** The load rejects with WarmfeedError SOURCE_*, ROW_INVALID, QUERY_TOO_LARGE. */
export function createQueryLoader(deps: QueryLoaderDeps): Load<Query> {
  const { keys, entropy, options, queries } = deps;
  const quietly = survivor(deps.observe);
  const confirm = createConfirm(deps);

  async function prepare({ entity: query, key }: LoadRequest<Query>): Promise<Captured> {
    const captures = await Promise.all(
      dependenciesOf(query, key).map(({ entity, tags }) => queries.capture(keys.queryIndex(entity.name), tags)),
    );
    return { captures, marks: captures.map(({ marks }) => marks).join('/') };
  }

  async function load(request: LoadRequest<Query>, snapshot: Snapshot, captured: Captured): Promise<Loaded> {
    const { entity: query, key } = request;
    const { read, admission } = await ask(request, snapshot);
    const represented = representRows(query, key, read, entropy.digest);
    if ('refused' in admission) return { represented, terms: admission };
    // Undefined: the index could not be asked, which is told already.
    const verdict = await quietly('admit', judge(request, captured, read, represented));
    if (verdict !== 'admitted') return { represented, terms: { refused: verdict } };
    const { expiresAt } = read;
    return { represented, terms: { ...admission, ...NOWHERE, expiresAt, marks: captured.marks } };
  }

  /** What a result may be stored under: one partition's positions close what a lagging replica leaves open. */
  async function ask(request: LoadRequest<Query>, snapshot: Snapshot): Promise<Asked> {
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
    load,
    async find(request) {
      const read = await request.entity.run(statementOf(request.entity, request.key), signalOf(request));
      return representRows(request.entity, request.key, read, entropy.digest);
    },
  });
}

interface Asked {
  readonly read: QueryRead;
  readonly admission: Admission;
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
