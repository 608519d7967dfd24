import { describe, expect, test } from 'vitest';
import { type ErrorCode, WarmfeedError } from '../../src/core/errors.ts';
import type { ReadOptions, Source, SourceRead } from '../../src/core/ports.ts';
import { createLimit, guard } from '../../src/sources/guard.ts';

const LIMITS = { concurrency: 2, queue: 1, timeoutMs: 30_000, breakerFailures: 3, breakerResetMs: 30_000 };
const ANSWER: SourceRead = { document: undefined, asOf: 1n, version: 1n, partition: { id: 'p', ancestors: [] } };

/** A source whose next reads end as told. */
function sourceOf(read: (options: ReadOptions) => Promise<SourceRead>) {
  let reads = 0;
  const source: Source = {
    name: 'source',
    replicaLagMs: 5,
    changesHold: 'documents',
    read: (_key, options = {}) => {
      reads++;
      return read(options);
    },
    readMany: async (_keys, options = {}) => [await read(options)],
    scan: async () => ({ keys: [], continuation: undefined, units: 0 }),
    check: async () => undefined,
    floor: async () => ({ positions: new Map() }),
    change: () => ({ key: ['a'], version: 1n, document: undefined }),
  };
  return { source, reads: () => reads };
}

const failing = (code: ErrorCode) => async () => {
  throw new WarmfeedError(code, 'x', { retryable: true });
};

const codeOf = (call: Promise<unknown>): Promise<unknown> =>
  call.then(
    () => 'ok',
    (error: unknown) => (error as WarmfeedError).code,
  );

/** Hangs until aborted, as a driver does that honours its signal, or for ever. */
const hang = ({ signal }: ReadOptions) => {
  const { promise, reject } = Promise.withResolvers<SourceRead>();
  signal?.addEventListener('abort', () => reject(signal.reason));
  return promise;
};

const tick = () => new Promise<void>((resolve) => setTimeout(resolve, 5));

describe('bulkhead', () => {
  test('beyond concurrency and queue: SOURCE_BUSY at once, the others are served in turn', async () => {
    const open: (() => void)[] = [];
    const { source, reads } = sourceOf(() => new Promise((resolve) => open.push(() => resolve(ANSWER))));
    const guarded = guard(source, LIMITS);
    const calls = [1, 2, 3].map(() => codeOf(guarded.read(['a'])));
    await expect(guarded.read(['a'])).rejects.toMatchObject({ code: 'SOURCE_BUSY', retryable: true });
    await expect(guarded.readMany([['a']])).rejects.toMatchObject({ code: 'SOURCE_BUSY' });
    expect(reads()).toBe(2);
    for (let i = 0; i < 3; i++) {
      open[i]?.();
      await tick();
    }
    expect(await Promise.all(calls)).toEqual(['ok', 'ok', 'ok']);
  });

  test('work that ignores its signal loses its slot, and those in the queue do not wait for it', async () => {
    const { source } = sourceOf(() => new Promise(() => undefined));
    const guarded = guard(source, { ...LIMITS, timeoutMs: 20 });
    const calls = [1, 2, 3].map(() => codeOf(guarded.read(['a'])));
    expect(await Promise.all(calls)).toEqual(['SOURCE_TIMEOUT', 'SOURCE_TIMEOUT', 'SOURCE_TIMEOUT']);
    await tick();
    expect(await Promise.all([1, 2, 3].map(() => codeOf(guarded.read(['a']))))).not.toContain('SOURCE_BUSY');
  });
});

describe('time', () => {
  test('a late answer is SOURCE_TIMEOUT, and the source is told', async () => {
    let told = false;
    const { source } = sourceOf((options) => {
      options.signal?.addEventListener('abort', () => {
        told = true;
      });
      return hang(options);
    });
    const call = guard(source, { ...LIMITS, timeoutMs: 10 }).read(['a']);
    await expect(call).rejects.toMatchObject({ code: 'SOURCE_TIMEOUT', retryable: true });
    expect(told).toBe(true);
  });

  test('the abort of the caller is passed on, and options with it', async () => {
    const floor = { positions: new Map([['p', 5n]]) };
    let seen: ReadOptions | undefined;
    const { source } = sourceOf((options) => {
      seen = options;
      return hang(options);
    });
    const caller = new AbortController();
    const call = codeOf(guard(source, LIMITS).read(['a'], { signal: caller.signal, floor }));
    await tick();
    caller.abort();
    expect(await call).toBe('SOURCE_TIMEOUT');
    expect(seen).toMatchObject({ floor, signal: { aborted: true } });
    expect(await codeOf(guard(source, LIMITS).read(['a'], { signal: caller.signal }))).toBe('SOURCE_TIMEOUT');
  });
});

describe('breaker', () => {
  const limits = { ...LIMITS, concurrency: 8, breakerResetMs: 30 };

  test.each([
    'SOURCE_UNAVAILABLE',
    'SOURCE_TIMEOUT',
    'SOURCE_THROTTLED',
  ] as const)('opens after %s in a row', async (code) => {
    const { source, reads } = sourceOf(failing(code));
    const guarded = guard(source, LIMITS);
    for (let i = 0; i < 3; i++) expect(await codeOf(guarded.read(['a']))).toBe(code);
    const refused = await guarded.read(['a']).catch((error: unknown) => error as WarmfeedError);
    expect(refused).toMatchObject({ code: 'SOURCE_UNAVAILABLE', retryable: true });
    const { retryAfterMs } = refused as WarmfeedError;
    expect(retryAfterMs).toBeGreaterThan(0);
    expect(retryAfterMs).toBeLessThanOrEqual(LIMITS.breakerResetMs);
    expect(reads()).toBe(3);
  });

  test.each(['SOURCE_REJECTED', 'ROW_INVALID', 'BAD_KEY'] as const)('does not count %s', async (code) => {
    const { source, reads } = sourceOf(failing(code));
    const guarded = guard(source, LIMITS);
    for (let i = 0; i < 5; i++) expect(await codeOf(guarded.read(['a']))).toBe(code);
    expect(reads()).toBe(5);
  });

  test('does not count what a caller brought about: an early end, a token that is never reached', async () => {
    const { source } = sourceOf(failing('SOURCE_UNAVAILABLE'));
    const guarded = guard(source, LIMITS);
    const floor = { positions: new Map(), token: '0:-1#999999' };
    for (let i = 0; i < 5; i++) await codeOf(guarded.read(['a'], { floor }));
    const slow = guard(sourceOf(hang).source, LIMITS);
    for (let i = 0; i < 5; i++) await codeOf(slow.read(['a'], { signal: AbortSignal.timeout(1) }));
    for (let i = 0; i < 3; i++) {
      expect(await guarded.read(['a']).catch((error: unknown) => (error as Error).message)).toBe('x');
    }
    expect(await codeOf(slow.read(['a'], { signal: AbortSignal.timeout(1) }))).toBe('SOURCE_TIMEOUT');
  });

  test('lets one read try after the reset time, and closes if that succeeds', async () => {
    let isDown = true;
    const { source, reads } = sourceOf(async () => {
      if (isDown) throw new WarmfeedError('SOURCE_UNAVAILABLE', 'x', { retryable: true });
      return ANSWER;
    });
    const guarded = guard(source, limits);
    for (let i = 0; i < 3; i++) await codeOf(guarded.read(['a']));
    await new Promise((resolve) => setTimeout(resolve, 40));
    expect(await codeOf(guarded.read(['a']))).toBe('SOURCE_UNAVAILABLE');
    expect(reads()).toBe(4);
    expect(await codeOf(guarded.read(['a']))).toBe('SOURCE_UNAVAILABLE');
    expect(reads()).toBe(4);
    isDown = false;
    await new Promise((resolve) => setTimeout(resolve, 40));
    expect(await Promise.all([1, 2, 3, 4].map(() => codeOf(guarded.read(['a']))))).toEqual(['ok', 'ok', 'ok', 'ok']);
  });
});

test('what is no read passes untouched', async () => {
  const { source } = sourceOf(async () => ANSWER);
  const guarded = guard(source, LIMITS);
  expect(guarded).toMatchObject({ name: 'source', replicaLagMs: 5 });
  expect(guarded.change({})).toMatchObject({ key: ['a'] });
  expect(await guarded.floor('x')).toEqual({ positions: new Map() });
  await guarded.check();
});

describe('limit of reloads', () => {
  test('bounded number and time', async () => {
    const limit = createLimit({ concurrency: 1, timeoutMs: 20 });
    let told = false;
    const first = codeOf(
      limit((signal) => {
        signal.addEventListener('abort', () => {
          told = true;
        });
        return new Promise(() => undefined);
      }),
    );
    expect(await codeOf(limit(async () => 1))).toBe('SOURCE_BUSY');
    expect(await first).toBe('SOURCE_TIMEOUT');
    expect(told).toBe(true);
    expect(await limit(async () => 2)).toBe(2);
  });

  test('errors of the work pass', async () => {
    const limit = createLimit({ concurrency: 1, queue: 1, timeoutMs: 1000 });
    expect(await codeOf(limit(failing('SOURCE_REJECTED')))).toBe('SOURCE_REJECTED');
    await expect(limit(async () => Promise.reject(new RangeError('mine')))).rejects.toThrow(RangeError);
  });
});
