import { describe, expect, it } from 'vitest';
import { WarmfeedError } from '../../src/core/errors.ts';
import { decodeControl } from '../../src/core/record.ts';
import { createPostgresWorld, type PostgresWorld } from '../support/postgres-world.ts';
import { seen } from '../support/world.ts';

const DOWN = new WarmfeedError('STORE_UNAVAILABLE', 'down', { retryable: true });

/** A world whose poller has begun, with `a` cached. */
async function started(options: Parameters<typeof createPostgresWorld>[0] = {}) {
  const all = createPostgresWorld(options);
  const app = all.process();
  all.database.write('a', { v: 1 });
  await app.poll();
  await app.poll();
  await app.read('a');
  return { ...all, app };
}

const positions = ({ world }: Pick<PostgresWorld, 'world'>) =>
  world.events.flatMap((event) => (event.kind === 'feed-positions' ? [event.are] : []));

/** Notes the calls of ports, in order. */
function noted({ world, database }: Pick<PostgresWorld, 'world' | 'database'>): string[] {
  const calls: string[] = [];
  const note = (port: object, name: string, label: (args: unknown[]) => string = () => name) => {
    const members = port as Record<string, (...args: unknown[]) => unknown>;
    const original = members[name]?.bind(port);
    members[name] = (...args: unknown[]) => {
      calls.push(label(args));
      return original?.(...args);
    };
  };
  for (const name of ['watermark', 'seed', 'advance', 'bump', 'remember', 'invalidate', 'fill'])
    note(world.memory, name);
  note(database.log, 'poll', ([from]) => (from === undefined ? 'state' : 'poll'));
  note(database.source, 'readMany');
  return calls;
}

describe('a start without a checkpoint', () => {
  it('makes what was cached old, in the one safe order: HWGET, h, SEED, bump, checkpoint', async () => {
    const all = createPostgresWorld();
    const app = all.process();
    all.database.write('a', { v: 1 });
    await app.read('a');
    expect(seen(await app.read('a')).how).toBe('hit');
    // Of a time when nobody followed the changes.
    all.database.write('a', { v: 2 });
    all.world.memory.lose(all.markKey);
    const calls = noted(all);
    await app.poll();
    expect(calls).toEqual(['state', 'state', 'watermark', 'state', 'seed', 'bump', 'remember']);
    expect(positions(all)).toEqual(['new']);
    expect(await all.checkpoint()).toBe(all.database.xmin());
    expect(await all.watermark()).toEqual({ state: 'known', position: all.database.xmin() });
    expect(seen(await app.read('a'))).toEqual({ how: 'miss', value: { v: 2, n: 2 } });
  });

  it('raises a watermark that is known already', async () => {
    const all = createPostgresWorld();
    const app = all.process();
    await app.read('a');
    const calls = noted(all);
    await app.poll();
    expect(calls).toEqual(['state', 'state', 'watermark', 'state', 'advance', 'bump', 'remember']);
  });

  it('raises it too when somebody else has seeded it meanwhile', async () => {
    const all = createPostgresWorld();
    Object.assign(all.world.memory, { seed: async () => undefined });
    const calls = noted(all);
    await all.process().poll();
    expect(calls).toEqual(['state', 'state', 'watermark', 'state', 'seed', 'advance', 'bump', 'remember']);
  });

  it.each(['rubbish', 'system/1/trigger|', 'system/1/trigger|-1', '|x'])('a checkpoint of %j is none', async (text) => {
    const all = createPostgresWorld();
    await all.world.memory.remember(all.checkpointKey, text);
    await all.process().poll();
    expect(positions(all)).toEqual(['new']);
  });

  it('heals a generation that was rolled back', async () => {
    const all = createPostgresWorld();
    const newer = '1900000000000000ffffffff';
    await all.world.memory.watermark(all.markKey, newer);
    await all.process().poll();
    const { values } = await all.world.memory.generations(all.world.keys.generations, [
      `s:${all.database.source.name}`,
    ]);
    expect((values[0] ?? '') > newer).toBe(true);
  });
});

describe('a poll', () => {
  it('applies the page, and only then saves the checkpoint', async () => {
    const all = await started();
    const calls = noted(all);
    const xid = all.database.write('a', { v: 2 });
    await all.app.poll();
    expect(calls).toEqual(['poll', 'advance', 'invalidate', 'watermark', 'readMany', 'fill', 'remember']);
    expect(await all.checkpoint()).toBe(xid + 1n);
    expect(seen(await all.app.read('a'))).toEqual({ how: 'hit', value: { v: 2, n: 2 } });
  });

  it('a failure keeps the checkpoint, is told, and is mended by the next poll', async () => {
    const all = await started();
    const before = await all.checkpoint();
    all.database.write('a', { v: 2 });
    all.world.storeError = DOWN;
    await expect(all.app.poll()).rejects.toBe(DOWN);
    all.world.storeError = undefined;
    all.database.failure = new WarmfeedError('SOURCE_UNAVAILABLE', 'down', { retryable: true });
    await expect(all.app.poll()).rejects.toBe(all.database.failure);
    all.database.failure = undefined;
    expect(await all.checkpoint()).toBe(before);
    expect(all.world.events.filter(({ kind }) => kind === 'poll-failed')).toHaveLength(2);
    await all.app.poll();
    expect(seen(await all.app.read('a'))).toEqual({ how: 'hit', value: { v: 2, n: 2 } });
  });

  it('a page of which a single step fails is told again as a whole', async () => {
    const all = await started();
    const fill = all.world.memory.fill.bind(all.world.memory);
    Object.assign(all.world.memory, {
      fill: () => {
        Object.assign(all.world.memory, { fill });
        return Promise.reject(DOWN);
      },
    });
    const before = await all.checkpoint();
    all.database.write('a', { v: 2 });
    await expect(all.app.poll()).rejects.toBe(DOWN);
    expect(await all.checkpoint()).toBe(before);
    await all.app.poll();
    expect(seen(await all.app.read('a'))).toEqual({ how: 'hit', value: { v: 2, n: 2 } });
  });

  it('a backlog comes in pages without a pause, each with its checkpoint', async () => {
    const all = await started({ pageSize: 10 });
    for (let i = 0; i < 25; i++) all.database.write(`k${i}`);
    const checkpoints: bigint[] = [];
    const remember = all.world.memory.remember.bind(all.world.memory);
    Object.assign(all.world.memory, {
      remember: (key: string, text: string) => {
        checkpoints.push(BigInt(text.split('|').at(-1) ?? 0));
        return remember(key, text);
      },
    });
    const begun = all.world.clock.now();
    await all.app.poller.follow(begun + 100, new AbortController().signal);
    expect(all.world.clock.now()).toBe(begun);
    const last = all.database.xmin();
    expect(checkpoints).toEqual([last - 15n, last - 5n, last]);
    for (let i = 0; i < 25; i++) expect(seen(await all.app.read(`k${i}`)).how).toBe('hit');
  });

  it('all changes of a transaction are in one page', async () => {
    const all = await started({ pageSize: 2 });
    const transaction = all.database.begin();
    for (const key of ['a', 'b', 'c', 'd']) transaction.write(key);
    transaction.commit();
    await all.app.poll();
    expect(await all.checkpoint()).toBe(transaction.xid + 1n);
    for (const key of ['a', 'b', 'c', 'd']) expect(seen(await all.app.read(key)).how).toBe('hit');
  });

  it('while nothing changes, the checkpoint still follows, now and then; so does the forgetting', async () => {
    const all = await started();
    all.database.begin().rollback();
    const before = await all.checkpoint();
    await all.app.poll();
    expect(await all.checkpoint()).toBe(before);
    all.world.advance(10_000);
    await all.app.poll();
    expect(await all.checkpoint()).toBe((before ?? 0n) + 1n);
    expect(all.database.prunes).toBe(1);
    all.world.advance(60_000);
    await all.app.poll();
    expect(all.database.prunes).toBe(2);
  });
});

describe('the early pass, while an older transaction is open', () => {
  async function held() {
    const all = await started();
    const long = all.database.begin();
    long.write('long');
    const xid = all.database.write('a', { v: 2 });
    return { ...all, long, xid };
  }

  it('refreshes what is committed: no watermark, no fence, no checkpoint beyond the horizon', async () => {
    const all = await held();
    const calls = noted(all);
    await all.app.poll();
    expect(calls).toEqual(['poll', 'invalidate', 'watermark', 'readMany', 'fill']);
    expect(seen(await all.app.read('a'))).toEqual({ how: 'hit', value: { v: 2, n: 2 } });
    const record = all.world.memory.peek(all.world.recordKey('a'));
    expect(record && decodeControl(record)?.fence).toBe(0n);
    expect((await all.watermark()) as { position: bigint }).toMatchObject({ state: 'known' });
    all.world.advance(60_000);
    await all.app.poll();
    expect(await all.checkpoint()).toBe(all.long.xid);
  });

  it('tells each transaction once, and again in its order', async () => {
    const all = await held();
    await all.app.poll();
    const calls = noted(all);
    await all.app.poll();
    expect(calls).toEqual(['poll']);
    all.database.write('b');
    await all.app.poll();
    expect(calls.filter((call) => call === 'invalidate')).toHaveLength(1);
    all.long.commit();
    await all.app.poll();
    // The long one, `a` and `b`, now in their order.
    expect(calls.filter((call) => call === 'invalidate')).toHaveLength(4);
    expect(await all.checkpoint()).toBe(all.database.xmin());
  });

  it('a failure of it costs nothing of the checkpoint, and it is told again', async () => {
    const all = await held();
    const invalidate = all.world.memory.invalidate.bind(all.world.memory);
    Object.assign(all.world.memory, { invalidate: () => Promise.reject(DOWN) });
    await expect(all.app.poll()).rejects.toBe(DOWN);
    Object.assign(all.world.memory, { invalidate });
    await all.app.poll();
    expect(seen(await all.app.read('a'))).toEqual({ how: 'hit', value: { v: 2, n: 2 } });
  });

  it('what is remembered of it is bounded, whatever a transaction changes', async () => {
    const all = await held();
    const asked: number[] = [];
    const poll = all.database.log.poll.bind(all.database.log);
    Object.assign(all.database.log, {
      poll: (from: bigint | undefined, limit: number, told: readonly string[]) => {
        asked.push(told.length);
        return poll(from, limit, told);
      },
    });
    const big = all.database.begin();
    for (let i = 0; i < 3000; i++) big.write(`big${i}`);
    big.commit();
    await all.app.poll();
    await all.app.poll();
    expect(asked.at(-1)).toBe(2);
    for (let i = 0; i < 6000; i++) all.database.write('a');
    for (let i = 0; i < 8; i++) await all.app.poll();
    expect(Math.max(...asked)).toBeLessThanOrEqual(5000);
    expect(seen(await all.app.read('a')).value).toMatchObject({ n: all.database.now('a') });
  });
});

describe('lost changes make everything old', () => {
  it('T05: TRUNCATE', async () => {
    const all = await started();
    const transaction = all.database.begin();
    transaction.truncate();
    transaction.commit();
    await all.app.poll();
    expect(positions(all)).toEqual(['new', 'lost']);
    expect(seen(await all.app.read('a'))).toEqual({ how: 'miss', value: null });
    await all.app.poll();
    expect(positions(all)).toEqual(['new', 'lost']);
  });

  it('T38: an early TRUNCATE, at once; and once more in its order', async () => {
    const all = await started();
    const long = all.database.begin();
    const transaction = all.database.begin();
    transaction.truncate();
    transaction.commit();
    await all.app.poll();
    expect(positions(all)).toEqual(['new', 'lost']);
    expect(seen(await all.app.read('a'))).toEqual({ how: 'miss', value: null });
    for (let i = 0; i < 3; i++) await all.app.poll();
    expect(positions(all)).toEqual(['new', 'lost']);
    expect(seen(await all.app.read('a'))).toEqual({ how: 'hit', value: null });
    long.rollback();
    await all.app.poll();
    expect(positions(all)).toEqual(['new', 'lost', 'lost']);
    await all.app.poll();
    expect(positions(all)).toEqual(['new', 'lost', 'lost']);
  });

  it('nobody records them any more: once, and what is cached later lives by its ttl', async () => {
    const all = await started();
    all.database.lineage = undefined;
    all.database.write('a', { v: 2 });
    for (let i = 0; i < 3; i++) await all.app.poll();
    expect(positions(all)).toEqual(['new', 'lost']);
    expect(seen(await all.app.read('a'))).toEqual({ how: 'miss', value: { v: 2, n: 2 } });
    all.database.lineage = 'system/1/trigger';
    await all.app.poll();
    expect(positions(all)).toEqual(['new', 'lost', 'new']);
  });

  it('another lineage: trigger, outbox, partitions or timeline', async () => {
    const all = await started();
    all.database.lineage = 'system/1/another trigger';
    await all.app.poll();
    expect(positions(all)).toEqual(['new', 'lost']);
    expect(seen(await all.app.read('a')).how).toBe('miss');
    await all.app.poll();
    expect(positions(all)).toEqual(['new', 'lost']);
  });

  it('forgotten before they were read; but not what was read before', async () => {
    const all = await started();
    all.database.write('a', { v: 2 });
    await all.app.poll();
    all.database.forget();
    await all.app.poll();
    expect(positions(all)).toEqual(['new']);
    all.database.write('a', { v: 3 });
    all.database.forget();
    await all.app.poll();
    expect(positions(all)).toEqual(['new', 'lost']);
    expect(seen(await all.app.read('a')).value).toMatchObject({ v: 3 });
  });

  it('a flushed Redis', async () => {
    const all = await started();
    all.database.write('a', { v: 2 });
    all.world.memory.lose();
    await all.app.poll();
    expect(positions(all)).toEqual(['new', 'new']);
    expect(seen(await all.app.read('a')).value).toMatchObject({ v: 2 });
  });

  it('the server is another one in the midst of it: nothing is saved, and the next poll begins anew', async () => {
    const all = createPostgresWorld();
    const app = all.process();
    const refresh = all.world.memory.watermark.bind(all.world.memory);
    Object.assign(all.world.memory, {
      watermark: (...args: [string, string]) => {
        all.database.partition = { id: 'system/2', ancestors: [] };
        return refresh(...args);
      },
    });
    await app.poll();
    expect([await all.checkpoint(), positions(all)]).toEqual([undefined, []]);
    await app.poll();
    expect(positions(all)).toEqual(['new']);
  });
});

describe('following', () => {
  it('polls, pauses, and ends before its time is over', async () => {
    const all = await started();
    const calls = noted(all);
    const begun = all.world.clock.now();
    await all.app.poller.follow(begun + 1000, new AbortController().signal);
    expect(all.world.clock.now() - begun).toBeLessThanOrEqual(1000);
    expect(calls.filter((call) => call === 'poll')).toHaveLength(5);
  });

  it('begins with what Redis remembers: another process may have gone on', async () => {
    const all = await started();
    const other = all.process();
    all.database.write('a', { v: 2 });
    await other.poll();
    const froms: unknown[] = [];
    const poll = all.database.log.poll.bind(all.database.log);
    Object.assign(all.database.log, {
      poll: (from: bigint | undefined, limit: number, told: readonly string[]) => {
        froms.push(from);
        return poll(from, limit, told);
      },
    });
    await all.app.poll();
    expect(froms).toEqual([await all.checkpoint()]);
  });

  it('an abort: no page is begun after it', async () => {
    const all = await started();
    const stop = new AbortController();
    const calls = noted(all);
    stop.abort();
    await all.app.poller.follow(all.world.clock.now() + 5000, stop.signal);
    expect(calls).toEqual([]);
    const later = new AbortController();
    const sleep = all.world.clock.sleep;
    all.world.clock.sleep = async (ms) => {
      later.abort();
      await sleep(ms);
    };
    await all.app.poller.follow(all.world.clock.now() + 5000, later.signal);
    expect(calls).toEqual(['poll']);
  });

  it('failures are tried again after ever longer pauses; what the last poll failed with is thrown', async () => {
    const all = await started();
    all.world.storeError = DOWN;
    const pauses: number[] = [];
    const sleep = all.world.clock.sleep;
    all.world.clock.sleep = async (ms) => {
      pauses.push(ms);
      await sleep(ms);
    };
    await expect(all.app.poller.follow(all.world.clock.now() + 10_000, new AbortController().signal)).rejects.toBe(
      DOWN,
    );
    expect(pauses).toEqual([250, 500, 1000, 2000, 2000, 2000, 2000]);
    pauses.length = 0;
    all.world.clock.sleep = async (ms) => {
      all.world.storeError = undefined;
      await sleep(ms);
    };
    await all.app.poller.follow(all.world.clock.now() + 1000, new AbortController().signal);
  });

  it('where nobody records changes nothing is done but to look again', async () => {
    const all = createPostgresWorld();
    all.database.lineage = undefined;
    const app = all.process();
    const calls = noted(all);
    await app.poller.follow(all.world.clock.now() + 5000, new AbortController().signal);
    expect(calls).toEqual(['state', 'state', 'state']);
  });

  it('while its changes are held nothing is read, and afterwards none is missing', async () => {
    const all = await started();
    all.held.isPaused = true;
    all.database.write('a', { v: 2 });
    const calls = noted(all);
    await all.app.poller.follow(all.world.clock.now() + 5000, new AbortController().signal);
    expect(calls).toEqual([]);
    expect(seen(await all.app.read('a'))).toMatchObject({ how: 'hit', value: { v: 1 } });
    all.held.isPaused = false;
    await all.app.poll();
    expect(seen(await all.app.read('a')).value).toMatchObject({ v: 2 });
  });

  it('tells how the log stands', async () => {
    const all = createPostgresWorld();
    const app = all.process();
    expect(await app.poller.remark()).toContain('nobody has read it yet');
    await app.poll();
    expect(await app.poller.remark()).toBeUndefined();
    all.database.lineage = 'another';
    expect(await app.poller.remark()).toContain('being renewed');
    all.database.lineage = undefined;
    expect(await app.poller.remark()).toContain('nothing records its changes');
  });
});
