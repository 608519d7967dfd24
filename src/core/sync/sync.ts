// The sync algorithm: one page of a change feed becomes invalidations and refreshes in three pipelined round trips
// (protocol A, B, E). It throws only for failures of the whole: the host then delivers the page again.

import type { Sampler } from '../audit/audit-sample.ts';
import { hash64 } from '../bytes.ts';
import type { Entity } from '../entity.ts';
import { keyText } from '../key.ts';
import type { BatchReport, DeadLetter, InvalidateReply, Partition, SourceRead, Watermark } from '../ports.ts';
import { allSettled, createTurns } from '../protocol/fill.ts';
import { closeAncestors, floorAt } from '../protocol/watermark.ts';
import type { QueryChanges } from '../query/query-changes.ts';
import { type Page, planPage, type Work } from './page.ts';
import { type Answers, createRefresh, type RefreshDeps } from './refresh.ts';

export interface SyncDeps extends RefreshDeps {
  /** All entities of the source. */
  readonly entities: readonly Entity[];
  readonly options: RefreshDeps['options'] & { readonly fenceMs: number };
  /** Undefined: no results of queries are cached. */
  readonly queries?: QueryChanges;
  /** Is told of what was applied; undefined: nothing is audited. */
  readonly sample?: Sampler;
}

export interface PageOrigin {
  /** Undefined: a read of one of the keys tells. */
  readonly partition?: Partition;
  /** False: older changes may still come, so neither watermark nor fences are raised (protocol C, the early pass). */
  readonly isSettled?: boolean;
}

export function createSync(deps: SyncDeps) {
  const { source, store, keys, generations, observe, options } = deps;
  const { prepare, refresh } = createRefresh(deps);

  /**
   * Applies one page: all items come from one page of one partition's feed, oldest first.
   * @throws WarmfeedError STORE_* or SOURCE_*: nothing of the page counts as done
   */
  async function apply(items: readonly unknown[], { partition, isSettled = true }: PageOrigin = {}) {
    const page = planPage(items, source, deps.entities, deps);
    if (page.nameless !== undefined) {
      // Something changed, nobody knows what: nothing that was cached before may be served any more.
      await generations.bump(source.name);
      observe({ kind: 'nameless', source: source.name, ...page.nameless });
    }
    const { sample } = page;
    const at = sample === undefined ? undefined : (partition ?? (await locate(sample)));
    // Positions of a container that was deleted and made anew since mean nothing here.
    const isForeign = at !== undefined && page.container !== undefined && !at.id.startsWith(page.container);
    const isPlaced = isSettled && !isForeign;
    const done = at === undefined ? NOTHING : await applyTo(at, isForeign ? dropping(page) : page, isPlaced);
    const letters = [...page.letters, ...done.letters];
    await writeLetters(letters);
    // Behind the page: the feed goes on meanwhile.
    void deps.queries?.refreshHot();
    const { refreshed, ignored, reread } = done;
    const evicted = page.works.length - refreshed - ignored;
    const report: BatchReport = {
      changes: items.length,
      refreshed,
      evicted,
      ignored,
      reread,
      deadLettered: letters.length,
    };
    observe({ kind: 'batch', source: source.name, partition: at?.id, report, committedAt: page.committedAt });
    if (at !== undefined && isPlaced) void deps.sample?.(page.works, at);
    return report;
  }

  /** A read issued after the page arrived tells its partition, or a descendant, where the positions go on. */
  async function locate(sample: NonNullable<Page['sample']>): Promise<Partition> {
    return (await source.read(sample)).partition;
  }

  async function applyTo(partition: Partition, { works, highest }: Page, isSettled: boolean) {
    const watermarkKey = keys.watermark(source.name, partition.id);
    const identity = hash64(partition.id);

    // 1. The watermark first: from here on no read that misses this page can be cached.
    const [snapshot] = await allSettled([
      generations.refresh(),
      isSettled ? store.advance(watermarkKey, highest) : undefined,
      closeAncestors(deps, source, partition),
    ]);

    // 2. Invalidate, taking the leases of what is to be refreshed; then read the watermark.
    const { leaseMs, fenceMs } = options;
    const turns = createTurns<InvalidateReply>(store);
    for (const { entity, change, recordKey, own, token } of works) {
      const version = isSettled ? change.version : undefined;
      const stamp = generations.stamp(entity, snapshot);
      turns.add(store.invalidate(recordKey, { version, identity, stamp, own, token, leaseMs, fenceMs }));
      if (turns.isOver()) await turns.next();
    }
    const invalidated = turns.replies();
    const generation = generations.ofSource(source.name, snapshot);
    const ask = () => store.watermark(watermarkKey, generation);
    const asked = store.ordered ? ask() : invalidated.then(ask);
    const [watermark, replies, prepared] = await allSettled([asked, invalidated, prepare(works)]);
    const answers = await tellQueries(works, partition, watermark);
    const held = works.filter((_, i) => replies[i] === 'leased');
    const ignored = replies.filter((reply) => reply === 'ignored').length;

    // 3. Fill what is held.
    if (watermark.state === 'newer' && (await generations.heal(source.name, watermark.generation))) {
      observe({ kind: 'healed', source: source.name });
    }
    if (held.length === 0) return { ...NOTHING, ignored };
    const at = { partition, highest, snapshot, watermark, answers, prepared };
    return { ...(await refresh(held, at)), ignored };
  }

  /**
   * After the watermark was raised. Where changes only name keys, the rows tell their tags; they are read after the
   * leases were taken, so that the refresh can use them too.
   */
  async function tellQueries(works: readonly Work[], partition: Partition, watermark: Watermark): Promise<Answers> {
    const { queries } = deps;
    const concerned = deps.entities.filter((entity) => queries?.concerns(entity));
    if (queries === undefined || concerned.length === 0) return new Map();
    const changes = new Map(works.map(({ change }) => [keyText(change.key), change]));
    const answers = new Map<string, SourceRead>();
    if (source.changesHold === 'keys') {
      const floor = watermark.state === 'known' ? { floor: floorAt(partition, watermark.position) } : {};
      const asked = Array.from(changes.values(), ({ key }) => key);
      const read = await source.readMany(asked, { ...floor, signal: deps.clock.deadline(options.leaseMs) });
      [...changes.keys()].forEach((text, i) => answers.set(text, read[i] as SourceRead));
    }
    const items = Array.from(changes, ([text, { key, document }]) => {
      return { key, document: source.changesHold === 'keys' ? answers.get(text)?.document : document };
    });
    await allSettled(concerned.map((entity) => queries.apply(entity, items)));
    return answers;
  }

  /** After the evictions, so that a letter that cannot be written costs nothing but itself. */
  async function writeLetters(letters: readonly DeadLetter[]): Promise<void> {
    const written = await Promise.allSettled(letters.map((letter) => store.deadLetter(keys.deadLetters, letter)));
    letters.forEach(({ entity, reason }, i) => {
      observe({ kind: 'dead-letter', entity, reason, written: written[i]?.status === 'fulfilled' });
    });
  }

  return { apply };
}

export type Sync = ReturnType<typeof createSync>;

const NOTHING = { refreshed: 0, ignored: 0, reread: 0, letters: [] as readonly DeadLetter[] };

/** What is cached of its items is dropped, and nothing is filled. */
function dropping(page: Page): Page {
  return { ...page, works: page.works.map((work) => ({ ...work, own: 'never' })) };
}
