// Every rule of the protocol, taken out of the shipped core or of the store's specification as an edit of its source,
// with a scenario in which that is noticed.

import type { Edit } from '../explorer/variant.ts';
import type { Bounds } from './bounds.ts';

export interface KnockOut {
  readonly rule: string;
  readonly edits: readonly Edit[];
  readonly bounds: Bounds;
  /** How the counterexample begins, where the whole scenario is too large. */
  readonly begins?: readonly string[];
  readonly looksFor: RegExp;
}

const store = (from: string, to: string): Edit => ({ file: 'test/support/memory-store.ts', from, to });
const index = (from: string, to: string): Edit => ({ file: 'test/support/memory-query-store.ts', from, to });
const postgres = (from: string, to: string): Edit => ({ file: 'test/support/memory-postgres.ts', from, to });
const mssql = (from: string, to: string): Edit => ({ file: 'test/support/memory-mssql.ts', from, to });
const core = (file: string, from: string, to: string): Edit => ({ file: `src/core/${file}.ts`, from, to });

const LAGGING: Bounds = { keys: 1, writes: 1, readers: 1, workers: 1, evictions: 1, lagMs: 1000 };
const TWO: Bounds = { keys: 2, writes: 2, workers: 1, readers: 1, endsCached: true };
/** Nothing is known at first, so a read seeds. */
const EMPTY: Bounds = {
  keys: 1,
  writes: 1,
  readers: 1,
  reads: 2,
  workers: 1,
  start: 'empty',
  lagMs: 1000,
  passes: [1000],
};
const LINEAGE: Bounds = {
  keys: 1,
  writes: 2,
  readers: 1,
  workers: 2,
  evictions: 1,
  lagMs: 1000,
  layouts: [[[0]], [[0]]],
};
const RECREATED: Bounds = { keys: 1, writes: 0, written: 2, workers: 1, recreations: 1, lagMs: 1000 };
const PROVISIONAL: Bounds = { ...EMPTY, options: { provisionalMs: 1000 } };
const FAILOVER: Bounds = { keys: 1, writes: 1, readers: 1, workers: 1, failovers: { records: 1 }, lagMs: 1000 };
const ALL = { by: 'entity', mode: 'drop' } as const;
const PURGE: Bounds = { keys: 1, writes: 1, readers: 1, reads: 1, workers: 1, purges: [ALL], lagMs: 1000 };

const ITEMS: readonly KnockOut[] = [
  {
    rule: 'only the holder of the lease fills',
    edits: [
      store("if (equalBytes(request.token, NONE) || !equalBytes(request.token, record.token)) return 'lease';", ''),
    ],
    bounds: LAGGING,
    looksFor: /^I1/,
  },
  {
    rule: 'a fill reaches the watermark',
    edits: [core('protocol/watermark', 'asOf >= watermark.position ?', 'asOf >= 0n ?')],
    bounds: LAGGING,
    looksFor: /^I1/,
  },
  {
    rule: 'the watermark is raised before the keys',
    edits: [
      core('sync/sync', 'isSettled ? store.advance(watermarkKey, highest) : undefined,', 'undefined,'),
      core(
        'sync/sync',
        'const answers = await tellQueries(works, partition, watermark);',
        'await store.advance(watermarkKey, highest); const answers = await tellQueries(works, partition, watermark);',
      ),
    ],
    bounds: LAGGING,
    looksFor: /^I1/,
  },
  {
    rule: 'the watermark is read after the grant',
    edits: [
      core(
        'protocol/lease',
        'const [first, snapshot] = await Promise.all',
        `Object.assign(deps.keys, { early: await store.watermark('wf:x:hw:{cosmos}:rid/0.0', generations.ofSource('cosmos', guess)) });
        const [first, snapshot] = await Promise.all`,
      ),
      core(
        'protocol/confirm',
        'const watermark = await store.watermark(watermarkKey, generation);',
        'const watermark = (keys as unknown as { early: Watermark }).early;',
      ),
    ],
    bounds: LAGGING,
    looksFor: /^I1/,
  },
  {
    rule: 'a lease is one holder’s',
    edits: [store("if (isHeld && !equalBytes(record.token, token)) return { kind: 'held' };", '')],
    bounds: { ...LAGGING, readers: 2 },
    looksFor: /^I5/,
  },
  {
    rule: 'a lease is given back by its holder only',
    edits: [store('!equalBytes(token, NONE) && equalBytes(token, record.token)', 'true')],
    bounds: { ...LAGGING, readers: 2 },
    looksFor: /^I/,
  },
  {
    rule: 'a fill does not replace what is newer',
    edits: [store("if (live !== undefined && request.version < versionOf(live)) return 'older';", '')],
    bounds: { ...LAGGING, evictions: 0, reads: 2, isReloading: true },
    looksFor: /^I[14]/,
  },
  {
    rule: 'an invalidation takes the lease away',
    edits: [
      store(
        'leases ? [token, Math.round(now() + leaseMs)] : [NONE, 0];',
        'leases ? [token, Math.round(now() + leaseMs)] : [record.token, record.deadline];',
      ),
      // The second guard.
      store("if (request.version < record.fence) return 'fence';", ''),
    ],
    bounds: { ...LAGGING, entity: { onChange: 'evict' } },
    looksFor: /^I1/,
  },
  {
    rule: 'an invalidation ignores only what is not newer than the value',
    edits: [store('version <= versionOf(live)', 'true')],
    bounds: LAGGING,
    looksFor: /^I1/,
  },
  {
    rule: 'what a page brings is as of the page',
    edits: [
      core(
        'sync/refresh',
        'admit(watermark, highest, options.provisionalMs)',
        'admit(watermark, (held[0] as Work).change.version, options.provisionalMs)',
      ),
    ],
    bounds: TWO,
    looksFor: /^L/,
  },
];

const WATERMARK: readonly KnockOut[] = [
  {
    rule: 'nothing is cached under a watermark that is unknown',
    edits: [
      core(
        'protocol/watermark',
        "provisionalMs > 0 && asOf >= watermark.pending ? { guarantee: 'provisional' }",
        "true ? { guarantee: 'watermarked' }",
      ),
    ],
    bounds: { ...EMPTY, start: 'followed', writes: 0, written: 1, watermarkLosses: 1, evictions: 1 },
    looksFor: /^I1/,
  },
  {
    rule: 'changes while it is unknown are pending',
    edits: [
      store('else if (position > parse(old)) setText', 'else if (KNOWN.test(text) && position > parse(old)) setText'),
    ],
    bounds: { ...EMPTY, evictions: 1 },
    looksFor: /^I1/,
  },
  {
    rule: 'a seed is of the very loss',
    edits: [store('|| current !== nonce', '')],
    bounds: { ...EMPTY, start: 'followed', watermarkLosses: 2, evictions: 1 },
    begins: [
      'lose the watermark',
      'R0 reads a',
      'R0 get',
      'R0 generations',
      'R0 lease',
      'R0 generations',
      'R0 read a → rid/0.0 as of 0',
      'R0 watermark',
      'R0 release',
    ],
    looksFor: /^I1/,
  },
  {
    rule: 'a seed waits for D',
    edits: [core('protocol/watermark', '&& watermark.ageMs >= source.replicaLagMs', '')],
    bounds: { ...EMPTY, start: 'followed', writes: 0, written: 1, watermarkLosses: 1, evictions: 1 },
    looksFor: /^I1/,
  },
  {
    rule: 'a seed is of a read that was issued after D',
    edits: [
      core(
        'protocol/confirm',
        'const answer = await again(callers).finally(() => seeding.delete(watermarkKey));',
        'const answer = first;',
      ),
    ],
    bounds: { ...EMPTY, start: 'followed', writes: 0, written: 1, watermarkLosses: 1, evictions: 1 },
    looksFor: /^I1/,
  },
  {
    rule: 'a seed takes what is pending',
    edits: [store('asOf > parse(waiting) ? asOf : parse(waiting)', 'asOf')],
    bounds: { ...EMPTY, evictions: 1 },
    looksFor: /^I/,
  },
];

const PROVISIONALS: readonly KnockOut[] = [
  {
    rule: 'a provisional fill shows what is pending',
    edits: [core('protocol/watermark', 'provisionalMs > 0 && asOf >= watermark.pending ?', 'provisionalMs > 0 ?')],
    bounds: { ...PROVISIONAL, entity: { onChange: 'evict' } },
    looksFor: /^P/,
  },
  {
    rule: 'an invalidation drops a provisional value, also where it ignores the rest',
    edits: [store('if (isProvisional) {', 'if (false as boolean) {')],
    bounds: { ...PROVISIONAL, written: 2, redeliveries: 1 },
    looksFor: /^P/,
  },
  {
    rule: 'a provisional value does not count as live',
    edits: [
      store("value !== undefined && value.guarantee !== 'provisional' && hasStamp", 'value !== undefined && hasStamp'),
    ],
    bounds: { ...PROVISIONAL, isReloading: true },
    looksFor: /^(I|P)/,
  },
  {
    rule: 'a provisional value lives for P',
    edits: [
      core('read/policy', "guarantee === 'provisional' ? { softMs: provisionalMs, hardMs: provisionalMs } :", ''),
    ],
    bounds: { ...PROVISIONAL, start: 'followed', watermarkLosses: 1, evictions: 1 },
    looksFor: /^(I2|L)/,
  },
  {
    rule: 'a provisional fill does not replace a full one',
    edits: [store("live !== undefined && request.guarantee === 'provisional' ? 'live' : undefined", 'undefined')],
    bounds: { ...PROVISIONAL, start: 'followed', watermarkLosses: 1, isReloading: true, evictions: 0 },
    looksFor: /^P/,
  },
];

const GENERATIONS: readonly KnockOut[] = [
  {
    rule: 'a failover makes all old',
    edits: [
      core('protocol/generations', "await Promise.all(bumped.map((field) => store.bump(options.key, field, '')));", ''),
    ],
    bounds: FAILOVER,
    looksFor: /^I1/,
  },
  {
    rule: 'a bump is complete after T',
    edits: [
      core(
        'protocol/generations',
        'await write(bumped);\n    await clock.sleep(options.ttlMs);',
        'await write(bumped);',
      ),
    ],
    bounds: { ...FAILOVER, reads: 2 },
    looksFor: /^I1/,
  },
  {
    rule: 'generations are asked for again after T',
    edits: [
      core(
        'protocol/generations',
        'last !== undefined && clock.now() - last.sentAt < options.ttlMs',
        'last !== undefined',
      ),
    ],
    bounds: { ...FAILOVER, reads: 2 },
    looksFor: /^I1/,
  },
  {
    rule: 'the generation stands in the watermark',
    edits: [store('if (stored === generation) {', 'if (stored !== undefined) {')],
    bounds: { ...FAILOVER, failovers: { watermarks: 1 }, evictions: 1, reads: 2 },
    looksFor: /^I1/,
  },
  {
    rule: 'a fill is of the generation of its lease',
    edits: [
      core(
        'protocol/lease',
        'stamp: generations.stamp(entity, snapshot, marks),',
        'stamp: generations.stamp(entity, await generations.refresh(), marks),',
      ),
    ],
    bounds: { ...FAILOVER, failovers: { watermarks: 1 }, evictions: 1 },
    looksFor: /^I1/,
  },
  {
    rule: 'a hit is of the generation of now',
    edits: [
      core(
        'protocol/look-up',
        'entry === undefined || !hasStamp(entry, generations.stamp(entity, snapshot, marks))',
        'entry === undefined',
      ),
    ],
    bounds: FAILOVER,
    looksFor: /^I/,
  },
  {
    rule: 'a lease drops what is of another generation',
    edits: [store('const kept = same ? withLease', 'const kept = value !== undefined ? withLease')],
    bounds: { ...PURGE, readers: 2, writes: 0, written: 1 },
    begins: [
      'R0 reads a',
      'R0 get',
      'R0 generations',
      'R0 lease',
      'R0 generations',
      'R0 read a → rid/0.0 as of 1',
      'R0 watermark',
      'R0 fill',
    ],
    looksFor: /^I1/,
  },
  {
    rule: 'a watermark of a newer generation heals the key',
    edits: [core('protocol/generations', 'await store.bump(options.key, sourceField(source), seen);', '')],
    bounds: { ...FAILOVER, failovers: { records: 1, generations: 1 }, skewMs: 60_000 },
    looksFor: /^L/,
  },
];

const LINEAGES: readonly KnockOut[] = [
  {
    rule: 'every batch closes the watermarks of ancestors',
    edits: [core('sync/sync', 'closeAncestors(deps, source, partition),', 'undefined,')],
    bounds: LINEAGE,
    looksFor: /^I1/,
  },
  {
    rule: 'a closed watermark stays closed for fills',
    edits: [store("if (text === 'X') return { state: 'closed' };", '')],
    bounds: { ...LINEAGE, options: { provisionalMs: 1000 } },
    looksFor: /^[IP]/,
  },
  {
    rule: 'a worker learns the partition after the page arrived',
    edits: [core('sync/sync', 'partition ?? (await locate(sample))', "partition ?? { id: 'rid/0.0', ancestors: [] }")],
    bounds: { ...LINEAGE, writes: 1, workers: 1, moved: 1 },
    looksFor: /^I1/,
  },
  {
    rule: 'a page of another container only drops what is cached',
    edits: [core('sync/sync', '!at.id.startsWith(page.container)', 'false')],
    bounds: RECREATED,
    looksFor: /^L/,
  },
  {
    rule: 'a container that was made anew makes all old',
    edits: [
      core('protocol/generations', "await Promise.all(bumped.map((field) => store.bump(options.key, field, '')));", ''),
    ],
    bounds: { ...RECREATED, readers: 1 },
    looksFor: /^I/,
  },
  {
    rule: 'a fill under another identity compares no positions',
    edits: [
      store(
        '  if (isSame(record.identity, request.identity)) {\n    if (request.version',
        '  {\n    if (request.version',
      ),
    ],
    bounds: RECREATED,
    looksFor: /^[IL]/,
  },
];

const TAG = { by: 'tag', mode: 'drop' } as const;
const KEY = { by: 'key', mode: 'drop' } as const;
const SOFT_KEY = { by: 'key', mode: 'stale' } as const;
const PURGED: Bounds = { keys: 1, written: 1, writes: 1, letters: ['x'], readers: 2, entity: { onChange: 'evict' } };
const JOINING = core(
  'read/read',
  '(await holds(wanted.entity, answer, asked))',
  "(answer.kind === 'loaded' && (answer.stored !== undefined || answer.bypass))",
);

const KEEPING_LEASES = store(
  'call(() => void slots.delete(key)),',
  'call(() => void (view(key).value && slots.delete(key))),',
);

const PURGES: readonly KnockOut[] = [
  {
    rule: 'a load under way cannot fill what was purged by key',
    edits: [KEEPING_LEASES],
    bounds: { ...PURGED, purges: [KEY] },
    looksFor: /^I1/,
  },
  {
    rule: 'nor what was purged softly',
    edits: [
      store('const bytes = withLease(key, NONE, 0);', 'const bytes = withLease(key, record.token, record.deadline);'),
    ],
    bounds: { ...PURGED, purges: [SOFT_KEY] },
    looksFor: /^I1/,
  },
  {
    rule: 'what was purged softly is no hit',
    edits: [store('if (record.value !== undefined) bytes[3] = 1;', '')],
    bounds: { ...PURGED, purges: [SOFT_KEY] },
    looksFor: /^I1/,
  },
  {
    rule: 'a purge by tag concerns what had begun before',
    edits: [
      core(
        'protocol/lease',
        'begunAt: snapshot.storeTimeMs };',
        'begunAt: (await generations.refresh()).storeTimeMs };',
      ),
    ],
    bounds: { ...PURGED, purges: [TAG] },
    looksFor: /^I1/,
  },
  {
    rule: 'a purge by tag is complete after T',
    edits: [
      core(
        'protocol/generations',
        'await Promise.all([refresh(), also?.()]);\n    await clock.sleep(options.ttlMs);',
        'await Promise.all([refresh(), also?.()]);',
      ),
    ],
    bounds: { ...PURGED, reads: 2, purges: [TAG] },
    looksFor: /^I1/,
  },
  {
    rule: 'what is fresh by its times is loaded again if it was purged',
    edits: [core('protocol/lease', 'if (!isPurged(entity, lease, snapshot)) return', 'return')],
    bounds: { ...PURGED, purges: [TAG] },
    looksFor: /^I1/,
  },
  {
    rule: 'a hard purge is a miss, not stale',
    edits: [core('protocol/look-up', "if (purged === 'drop') return undefined;", '')],
    bounds: { ...PURGED, purges: [TAG] },
    looksFor: /^I1: a stale/,
  },
  {
    rule: 'who joins a load takes no more than what is cached and was not purged',
    edits: [JOINING],
    bounds: { ...PURGED, readers: 1, reads: 3, purges: [SOFT_KEY, TAG] },
    looksFor: /^I1: a joined/,
  },
];

const GROUPED: Bounds = {
  keys: 2,
  writes: 1,
  groupedReaders: 1,
  workers: 1,
  lagMs: 1000,
  evictions: 1,
  areAnswersApart: true,
};
const GROUPS: readonly KnockOut[] = [
  {
    rule: 'each answer of a grouped read reaches the watermark',
    edits: [core('read/load-many', 'admit(watermark, answer.asOf,', 'admit(watermark, 1n << 60n,')],
    bounds: GROUPED,
    looksFor: /^I1/,
  },
  {
    rule: 'the watermark of a grouped read is read after the leases',
    edits: [
      core(
        'read/load-many',
        'const replies = await allSettled(',
        `Object.assign(keys, { early: await store.watermark('wf:x:hw:{cosmos}:rid/0.0', generations.ofSource('cosmos', snapshot)) });
        const replies = await allSettled(`,
      ),
      core(
        'read/load-many',
        'await store.watermark(keys.watermark(source.name, partition.id), generation);',
        '(keys as unknown as { early: Watermark }).early;',
      ),
    ],
    bounds: GROUPED,
    looksFor: /^I1/,
  },
  {
    rule: 'a grouped read that seeds was issued after D',
    edits: [
      core(
        'read/load-many',
        `const answers = await source.readMany(
      group.map(({ held }) => held.key),
      { floor },
    );`,
        'void floor; const answers = group.map(({ answer }) => answer);',
      ),
    ],
    bounds: { ...GROUPED, keys: 1, writes: 0, written: 1, reads: 2, watermarkLosses: 1, passes: [1000] },
    begins: ['G0 reads all', 'G0 generations', 'G0 get', 'G0 generations'],
    looksFor: /^I1/,
  },
  {
    rule: 'what was loaded in a group is of the generation of before the leases',
    edits: [
      core(
        'read/read-many',
        'await fillAll(fills, held, snapshot);',
        'await fillAll(fills, held, await generations.refresh());',
      ),
    ],
    bounds: { ...GROUPED, lagMs: 0, evictions: 0, workers: 0, purges: [ALL] },
    looksFor: /^I1/,
  },
  {
    rule: 'what is warmed is of the generation of before the leases',
    edits: [
      core(
        'ops/warm',
        'await fillAll(fills, held, snapshot);',
        'await fillAll(fills, held, await generations.refresh());',
      ),
    ],
    bounds: {
      ...GROUPED,
      lagMs: 0,
      evictions: 0,
      workers: 0,
      groupedReaders: 0,
      warmers: 1,
      written: 1,
      purges: [ALL],
    },
    looksFor: /^I1/,
  },
  {
    rule: 'what is purged is loaded again in a group, too',
    edits: [core('read/load-many', 'isPurged(entity, reply, snapshot) ?', '(false as boolean) ?')],
    bounds: { ...PURGED, readers: 0, groupedReaders: 2, purges: [TAG] },
    begins: ['G0 reads all', 'G0 generations', 'G0 get', 'G0 generations', 'G0 lease', 'G0 readMany', 'write a'],
    looksFor: /^I1/,
  },
];

const LIST: Bounds = {
  keys: 1,
  writes: 1,
  letters: ['x', ''],
  lists: ['x'],
  queries: 'cross-partition',
  readers: 1,
  workers: 1,
  entity: { onChange: 'evict' },
};
const LISTED: Bounds = { ...LIST, writes: 2 };

const QUERIES: readonly KnockOut[] = [
  {
    rule: 'a change bumps the lists that an item enters',
    edits: [index('...(found.members.get(item)?.tags ?? []), ...tags', '...(found.members.get(item)?.tags ?? [])')],
    bounds: LIST,
    looksFor: /^I/,
  },
  {
    rule: 'a change bumps the lists that an item was found in',
    edits: [index('...(found.members.get(item)?.tags ?? []), ...tags', '...tags')],
    bounds: LISTED,
    looksFor: /^I/,
  },
  {
    rule: 'rows are remembered',
    edits: [index('tags: new Set([...(member?.tags ?? []), ...tags])', 'tags: new Set()')],
    bounds: LISTED,
    looksFor: /^I/,
  },
  {
    rule: 'no list of a result changed since its capture',
    edits: [
      index('if (tags.some((tag) => (found.tags.get(tag) ?? 0) > Number(seq))) return false;', ''),
      // The second guard.
      core('query/query-load', 'marks: captured.marks', 'marks: (await prepare(request)).marks'),
    ],
    bounds: LIST,
    looksFor: /^I/,
  },
  {
    rule: 'no row of a result changed since its capture',
    edits: [index('if (items.some((item) => (found.members.get(item)?.seq ?? 0) > Number(seq))) return false;', '')],
    bounds: LISTED,
    looksFor: /^I/,
  },
  {
    rule: 'a result is captured before it is loaded',
    edits: [
      core(
        'query/query-load',
        'const { read, admission } = await ask(request, snapshot);',
        'const { read, admission } = await ask(request, snapshot); captured = await prepare(request);',
      ),
    ],
    bounds: LIST,
    looksFor: /^I/,
  },
  {
    rule: 'a lost index is another one',
    edits: [
      index('|| found.incarnation !== incarnation', ''),
      index('[incarnation, ...names.map', "['', ...names.map"),
    ],
    bounds: { ...LISTED, reads: 2, indexLosses: 1 },
    looksFor: /^I/,
  },
  {
    rule: 'a result is checked before it is stored',
    edits: [
      core(
        'query/query-load',
        "await quietly('admit', judge(request, captured, read, represented))",
        "('admitted' as const)",
      ),
      core(
        'query/query-load',
        'marks: captured.marks',
        `marks: captured.marks,
          checked: () => quietly('admit', judge(request, captured, read, represented))`,
      ),
      core(
        'protocol/lease',
        "if (reply !== 'stored') return",
        `const { checked } = terms as { checked?: () => Promise<unknown> };
        if (checked !== undefined && (await checked()) !== 'admitted') await store.drop(recordKey);
        if (reply !== 'stored') return`,
      ),
    ],
    bounds: LISTED,
    looksFor: /^I/,
  },
  {
    rule: 'a result is valid under its marks only',
    edits: [core('protocol/generations', '|${marks}`', '`')],
    bounds: LIST,
    looksFor: /^I/,
  },
  {
    rule: 'a result of one partition reaches its watermark',
    edits: [core('query/query-load', 'admit(watermark, answer.asOf,', 'admit(watermark, 1n << 60n,')],
    bounds: { ...LIST, queries: 'one-partition', lagMs: 1000 },
    looksFor: /^I/,
  },
  {
    rule: 'the watermark is raised before results are told of a change',
    edits: [
      core('sync/sync', 'isSettled ? store.advance(watermarkKey, highest) : undefined,', 'undefined,'),
      core(
        'sync/sync',
        'const held = works.filter',
        'if (isSettled) await store.advance(watermarkKey, highest); const held = works.filter',
      ),
    ],
    bounds: { ...LIST, queries: 'one-partition', lagMs: 1000 },
    looksFor: /^I/,
  },
];

const LISTS_PURGED: readonly KnockOut[] = [
  {
    rule: 'a list is purged by its tag',
    edits: [
      core('protocol/look-up', "if (purged === 'drop') return undefined;", ''),
      core('ops/purge', "if (mode === 'drop') await", "if (mode !== 'drop') await"),
    ],
    bounds: { ...LIST, workers: 0, isAsked: true, purges: [TAG] },
    looksFor: /^I1/,
  },
  {
    rule: 'who joins a load of a list takes it under the marks of now',
    edits: [JOINING],
    bounds: { ...LIST, letters: ['x'], isAsked: true, reads: 2, purges: [SOFT_KEY], isOrdered: false },
    begins: [
      'a soft purge by key begins',
      'operator soften',
      'R0 asks',
      'R0 generations',
      'R0 marks',
      'R0 get',
      'R0 capture',
      'R0 generations',
      'R0 lease',
      'R0 lease',
    ],
    looksFor: /^I1: a joined/,
  },
];

const HOT: Bounds = { ...LISTED, readers: 0, isAsked: true, isHot: true, endsCached: true };

const HOT_QUERIES: readonly KnockOut[] = [
  {
    rule: 'what becomes old while lists are loaded again is loaded once more',
    edits: [
      core('query/query-hot', 'bumped.length === 0) return;', 'bumped.length === 0 || work !== undefined) return;'),
    ],
    bounds: HOT,
    looksFor: /^L/,
  },
  {
    rule: 'lists are loaded again after they became old',
    edits: [
      core(
        'query/query-changes',
        'const changes = items.map',
        "hot.note(entity.name, 'all'); await hot.start(); const changes = items.map",
      ),
      core('query/query-changes', 'hot.note(entity.name, bumped);', ''),
    ],
    bounds: HOT,
    looksFor: /^L/,
  },
  {
    rule: 'a result that is refused gives its lease back',
    edits: [
      core(
        'protocol/lease',
        "tell(terms.refused);\n      await quietly('release', store.release(recordKey, token));",
        'tell(terms.refused);',
      ),
    ],
    bounds: HOT,
    looksFor: /^L/,
  },
];

const BLOBS: Bounds = { keys: 1, writes: 1, readers: 1, workers: 1, isContent: true };

const CONTENT: readonly KnockOut[] = [
  {
    rule: 'an event takes the leases of loads of before',
    edits: [KEEPING_LEASES],
    bounds: BLOBS,
    looksFor: /^I1/,
  },
  {
    rule: 'what is cached of a blob is taken again only while it is the same',
    edits: [
      core(
        'content/content-load',
        "return read === 'unchanged' ? cached && reuse(cached) : read;",
        "return read === 'unchanged' || cached ? cached && reuse(cached) : read;",
      ),
    ],
    bounds: { ...BLOBS, written: 1, reads: 2, isReloading: true },
    looksFor: /^I1/,
  },
];

const FEED: Bounds = { keys: 1, writes: 0, written: 1, readers: 1, lagMs: 1000, feed: { losses: 1, checks: 1 } };
const BUMP_OF_FEED = 'if (await mayHaveMissed(found, isFirst)) await generations.bump(feed.source);';

const FEEDS: readonly KnockOut[] = [
  {
    rule: 'positions that were lost make all old',
    edits: [core('sync/feed-watch', BUMP_OF_FEED, '')],
    bounds: FEED,
    looksFor: /^I2/,
  },
  {
    rule: 'they make the watermarks unknown, too',
    edits: [core('sync/feed-watch', BUMP_OF_FEED, "await generations.bumpEntities(['widget']);")],
    bounds: FEED,
    looksFor: /^I2/,
  },
  {
    rule: 'all is old before the positions are remembered',
    edits: [
      core(
        'sync/feed-watch',
        `${BUMP_OF_FEED}
        await store.remember(key, found.id);`,
        `await store.remember(key, found.id);
        ${BUMP_OF_FEED}`,
      ),
    ],
    bounds: { ...FEED, feed: { losses: 1, checks: 2 }, deaths: 1 },
    begins: ['R0 reads a', 'R0 get'],
    looksFor: /^I2/,
  },
  {
    rule: 'positions that are younger than what is cached make it old',
    edits: [
      core('sync/feed-watch', 'return cachedSince < found.since + CLOCKS_APART_MS;', 'void cachedSince; return false;'),
    ],
    bounds: { ...FEED, feed: { losses: 0, isNew: true, checks: 1 } },
    looksFor: /^I2/,
  },
];

const TABLE: Bounds = { keys: 1, writes: 0, tables: { transactions: 1 }, readers: 1, workers: 1, polls: 2 };
const TWO_TRANSACTIONS: Bounds = { ...TABLE, tables: { transactions: 2 } };
const LOST: Bounds = { ...TABLE, checkpointLosses: 1, evictions: 1 };
const BUMP = 'await generations.bumpEntities(deps.entities);\n    seen.clear();';

const TABLES: readonly KnockOut[] = [
  {
    rule: 'rows are read again, never taken in the order of transaction ids',
    edits: [
      core('sync/refresh', "source.changesHold === 'keys' || highest <", 'highest <'),
      core('sync/refresh', "source.changesHold === 'keys' || 'refused' in admission", "'refused' in admission"),
    ],
    bounds: TWO_TRANSACTIONS,
    looksFor: /^I/,
  },
  {
    rule: 'a poll ends at the oldest transaction that is open',
    edits: [postgres('world.horizonOf(xmin())', 'nextXid')],
    bounds: TWO_TRANSACTIONS,
    looksFor: /^I/,
  },
  {
    rule: 'a change of a transaction counts as one more than its id',
    edits: [postgres('version: xid + 1n', 'version: xid')],
    bounds: LOST,
    looksFor: /^I/,
  },
  {
    rule: 'a read is as of the oldest transaction that is open',
    edits: [postgres('asOf: xmin(), version: xmin()', 'asOf: nextXid, version: nextXid')],
    bounds: TWO_TRANSACTIONS,
    looksFor: /^I/,
  },
  {
    rule: 'early changes are dropped and read again',
    edits: [core('sync/poll', 'early.map(({ item }) => item),', '[],')],
    bounds: TWO_TRANSACTIONS,
    looksFor: /^I/,
  },
  {
    rule: 'early changes raise neither watermark nor fences',
    edits: [core('sync/poll', '{ partition, isSettled: false },', '{ partition },')],
    bounds: { ...TWO_TRANSACTIONS, polls: 1 },
    looksFor: /^L/,
  },
  {
    rule: 'the checkpoint is saved after the page',
    edits: [
      core(
        'sync/poll',
        'if (page.items.length > 0) await sync.apply',
        `await save({ lineage, position: max(page.end, checkpoint.position) }, true);
    if (page.items.length > 0) await sync.apply`,
      ),
    ],
    bounds: { ...TABLE, deaths: 1 },
    looksFor: /^I2/,
  },
  {
    rule: 'a lost checkpoint makes all old',
    edits: [core('sync/poll', BUMP, 'seen.clear();')],
    bounds: LOST,
    looksFor: /^I/,
  },
  {
    rule: 'the watermark is raised before all becomes old',
    edits: [
      core('sync/poll', BUMP, 'seen.clear();'),
      core(
        'sync/poll',
        'const snapshot = await generations.refresh();',
        'await generations.bumpEntities(deps.entities); const snapshot = await generations.refresh();',
      ),
    ],
    bounds: { ...LOST, evictions: 0 },
    begins: ['R0 reads a', 'R0 get', 'W0 polls', 'begin a', 'write 0', 'lose the checkpoint'],
    looksFor: /^I/,
  },
  {
    rule: 'all becomes old before the checkpoint is saved',
    edits: [
      core(
        'sync/poll',
        BUMP,
        'seen.clear(); await save({ lineage, position: horizon }, true); await generations.bumpEntities(deps.entities);',
      ),
    ],
    bounds: { ...LOST, evictions: 0, deaths: 1 },
    looksFor: /^I/,
  },
  {
    rule: 'changes that were forgotten unread make all old',
    edits: [core('sync/poll', '|| page.isLost', '')],
    bounds: { ...TABLE, tables: { transactions: 1, forgets: 1 } },
    looksFor: /^I/,
  },
];

const TRACKED: Bounds = { keys: 1, writes: 0, readers: 1, workers: 1, polls: 2 };
const RESTORED: Bounds = { ...TRACKED, tracked: { commits: 1, restores: 1 }, entity: { ttlMs: () => 1_000_000 } };

const TRACKED_TABLES: readonly KnockOut[] = [
  {
    rule: 'versions that went back make all old',
    edits: [mssql('|| from > position', '')],
    bounds: RESTORED,
    looksFor: /^I2/,
  },
  {
    rule: 'a watermark that a restored database does not reach is forgotten',
    edits: [core('sync/poll', 'if (reachOf(found) > horizon) {', 'if (false as boolean) {')],
    bounds: RESTORED,
    looksFor: /^L/,
  },
  {
    rule: 'tracking that begins anew makes all old',
    edits: [core('sync/poll', 'checkpoint.lineage !== lineage ||', '')],
    bounds: { ...TRACKED, polls: 1, tracked: { commits: 1, pauses: 1 } },
    looksFor: /^I2/,
  },
  {
    rule: 'versions that are no longer kept make all old',
    edits: [mssql('from < oldest ||', '')],
    bounds: { ...TRACKED, polls: 1, tracked: { commits: 1, forgets: 1 } },
    looksFor: /^I2/,
  },
];

/** By section of protocol.md. */
export const KNOCK_OUTS = {
  ITEMS,
  WATERMARK,
  PROVISIONALS,
  GENERATIONS,
  LINEAGES,
  GROUPS,
  PURGES,
  QUERIES,
  LISTS_PURGED,
  HOT_QUERIES,
  CONTENT,
  FEEDS,
  TABLES,
  TRACKED_TABLES,
};
