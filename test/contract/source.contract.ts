// The contract of a source: truthful positions on every answer, present or absent, and errors that say what can be
// done. Run by every source against a real server; every test uses keys of its own.

import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { isWarmfeedError, type WarmfeedError } from '../../src/core/errors.ts';
import { type Key, keyText } from '../../src/core/key.ts';
import type { Change, Source, SourceRead } from '../../src/core/ports.ts';
import { floorAt } from '../../src/core/protocol/watermark.ts';

export interface SourceUnderTest {
  /** Answers, or gives up, within `boundMs`. */
  readonly source: Source;
  readonly boundMs: number;
  /** Keys of one group are those that the source can read together, where it makes a difference. */
  key(group: string, id: string): Key;
  write(key: Key, fields: Readonly<Record<string, unknown>>): Promise<void>;
  remove(key: Key): Promise<void>;
  /** Everything that the feed delivers by now, as the source's `change` takes it. */
  feed(): Promise<readonly unknown[]>;
  /** How every read ends from now on: the service says it cannot, no answer, an error that waiting cures, one that it does not. */
  fail(how: 'down' | 'silent' | 'busy' | 'refused'): void | Promise<void>;
  /** Where reads may lag: from now on they see nothing newer. */
  freeze?(): void;
  /** Ends whatever `fail` and `freeze` began. */
  restore(): void | Promise<void>;
  end(): Promise<void>;
}

export interface SourceContract {
  readonly name: string;
  create(): Promise<SourceUnderTest>;
  /** Texts that no message may contain: hosts, keys, users. */
  readonly secrets: readonly string[];
}

async function errorOf(call: Promise<unknown>, secrets: readonly string[]): Promise<WarmfeedError> {
  const error: unknown = await call.then(
    () => new Error('it succeeded'),
    (reason: unknown) => reason,
  );
  if (!isWarmfeedError(error)) throw error;
  for (const secret of secrets) expect(error.message).not.toContain(secret);
  return error;
}

const bodyOf = ({ document }: SourceRead | Change): string | undefined => JSON.stringify(document);

export function sourceContract(contract: SourceContract): void {
  const failure = (call: Promise<unknown>) => errorOf(call, contract.secrets);

  describe(`source: ${contract.name}`, () => {
    let subject: SourceUnderTest;
    let source: Source;

    beforeAll(async () => {
      subject = await contract.create();
      ({ source } = subject);
    });
    afterEach(() => subject.restore());
    afterAll(() => subject.end());

    const newest = async (key: Key): Promise<Change> => {
      const changes = (await subject.feed()).map((item) => source.change(item));
      const found = changes.findLast((change) => keyText(change.key) === keyText(key));
      if (found === undefined) throw new Error(`the feed has no ${keyText(key)}`);
      return found;
    };

    describe('reads', () => {
      test('a value, with a position', async () => {
        const key = subject.key('read', 'a');
        await subject.write(key, { n: 1 });
        const read = await source.read(key);
        expect(read.document).toMatchObject({ n: 1 });
        expect(read.asOf).toBeGreaterThan(0n);
        expect(read.version).toBeLessThanOrEqual(read.asOf);
        expect(read.partition.id).not.toBe('');
      });

      test('what is absent has a position, of the same partition as when it is there', async () => {
        const key = subject.key('read', 'absent');
        const before = await source.read(key);
        expect(before.document).toBeUndefined();
        expect(before.asOf).toBeGreaterThan(0n);
        await subject.write(key, { n: 1 });
        const after = await source.read(key);
        expect(after.partition).toEqual(before.partition);
        expect(after.asOf).toBeGreaterThan(before.asOf);
      });

      test('every write and delete raises the as-of of the reads after it', async () => {
        const key = subject.key('read', 'monotone');
        let last = (await source.read(key)).asOf;
        for (let n = 0; n < 3; n++) {
          await subject.write(key, { n });
          const read = await source.read(key);
          expect(read).toMatchObject({ document: { n } });
          expect(read.asOf).toBeGreaterThan(last);
          last = read.asOf;
        }
        await subject.remove(key);
        const gone = await source.read(key);
        expect(gone.document).toBeUndefined();
        expect(gone.asOf).toBeGreaterThan(last);
      });

      test('a key that is no key of this source is BAD_KEY', async () => {
        expect(await failure(source.read([]))).toMatchObject({ code: 'BAD_KEY' });
        expect(await failure(source.readMany([[]]))).toMatchObject({ code: 'BAD_KEY' });
      });
    });

    describe('grouped reads', () => {
      test('answers stand in the order of the keys; duplicates and absent ones too', async () => {
        const keys = ['b', 'a', 'missing', 'c', 'b'].map((id) => subject.key('many', id));
        for (const id of ['a', 'b', 'c']) await subject.write(subject.key('many', id), { name: id });
        const other = subject.key('another', 'a');
        await subject.write(other, { name: 'other' });
        const answers = await source.readMany([...keys, other]);
        expect(answers.map(({ document }) => document?.['name'])).toEqual(['b', 'a', undefined, 'c', 'b', 'other']);
        for (const answer of answers) expect(answer.asOf).toBeGreaterThan(0n);
      });

      test('none', async () => {
        expect(await source.readMany([])).toEqual([]);
      });

      test('more than fit in one request', async () => {
        const ids = Array.from({ length: 230 }, (_, i) => `i${i}`);
        const keys = ids.map((id) => subject.key('crowd', id));
        for (const id of ['i0', 'i99', 'i100', 'i229']) await subject.write(subject.key('crowd', id), { name: id });
        const answers = await source.readMany(keys);
        expect(answers).toHaveLength(230);
        expect(answers.flatMap(({ document }) => document?.['name'] ?? [])).toEqual(['i0', 'i99', 'i100', 'i229']);
      });

      test('each answer is that of a single read', async () => {
        const keys = ['x', 'y', 'z'].map((id) => subject.key('same', id));
        for (const key of keys.slice(0, 2)) await subject.write(key, { z: 1, a: [{ y: 'ü' }], n: null });
        const single = await Promise.all(keys.map((key) => source.read(key)));
        const many = await source.readMany(keys);
        expect(many.map(bodyOf)).toEqual(single.map(bodyOf));
        expect(many.map(({ partition }) => partition)).toEqual(single.map(({ partition }) => partition));
      });
    });

    describe('changes', () => {
      test('are those that reads show: same key, same bytes', async () => {
        const key = subject.key('feed', 'a');
        await subject.write(key, { z: 1, a: { y: ['ü', null, 1.5] }, text: 'ends ' });
        const [read, change] = [await source.read(key), await newest(key)];
        expect(change.key).toEqual(key);
        // One that only names its key is read again, by the very same read.
        if (source.changesHold === 'documents') expect(bodyOf(change)).toBe(bodyOf(read));
        else expect(change.document).toBeUndefined();
      });

      test('are newer than every read before them, and in every read after them', async () => {
        const key = subject.key('feed', 'b');
        await subject.write(key, { n: 0 });
        const before = await source.read(key);
        await subject.write(key, { n: 1 });
        const change = await newest(key);
        const after = await source.read(key);
        expect(change.version).toBeGreaterThan(before.asOf);
        expect(change.version).toBeLessThanOrEqual(after.asOf);
      });

      test.each([[null], [undefined], [1], ['text'], [[]], [{}]])('%j is none', (item) => {
        expect(() => source.change(item)).toThrow(expect.objectContaining({ code: 'ROW_INVALID' }));
      });
    });

    describe('floors', () => {
      test('an answer is at its floor', async () => {
        const key = subject.key('floor', 'a');
        await subject.write(key, { n: 1 });
        const { partition } = await source.read(key);
        await subject.write(key, { n: 2 });
        const { version } = await newest(key);
        const floor = floorAt(partition, version);
        for (const read of [await source.read(key, { floor }), ...(await source.readMany([key], { floor }))]) {
          expect(read).toMatchObject({ document: { n: 2 } });
          expect(read.asOf).toBeGreaterThanOrEqual(version);
        }
      });

      test('a position that is not reached in time is SOURCE_UNAVAILABLE, not an older answer', async () => {
        const key = subject.key('floor', 'future');
        const { partition, asOf } = await source.read(key);
        const floor = floorAt(partition, asOf + 1_000_000n);
        const expected = { code: 'SOURCE_UNAVAILABLE', retryable: true };
        expect(await failure(source.read(key, { floor }))).toMatchObject(expected);
        expect(await failure(source.readMany([key, subject.key('floor', 'b')], { floor }))).toMatchObject(expected);
      });

      test('positions of other partitions say nothing', async () => {
        const floor = { positions: new Map([['elsewhere/7', 2n ** 60n]]) };
        expect((await source.read(subject.key('floor', 'c'), { floor })).document).toBeUndefined();
      });

      test.for(['read', 'readMany'] as const)('a frozen replica: %s waits until it has caught up', async (how, {
        skip,
      }) => {
        if (subject.freeze === undefined) return skip('reads go to a primary');
        const key = subject.key('floor', `frozen-${how}`);
        const other = subject.key('floor', `frozen-${how}-2`);
        await subject.write(key, { n: 1 });
        await source.read(key);
        subject.freeze();
        await subject.write(key, { n: 2 });
        const { partition, document, asOf } = await source.read(key);
        expect(document).toMatchObject({ n: 1 });
        const { version } = await newest(key);
        expect(version).toBeGreaterThan(asOf);
        const floor = floorAt(partition, version);
        const waiting =
          how === 'read'
            ? source.read(key, { floor }).then((read) => [read])
            : source.readMany([key, other], { floor });
        setTimeout(() => void subject.restore(), 60);
        const [answer] = await waiting;
        expect(answer).toMatchObject({ document: { n: 2 } });
        expect(answer?.asOf).toBeGreaterThanOrEqual(version);
      });

      test.each(['', 'x', '0:', '=1', '0:-1#5;', 'é', '0:-1#-1'])('%j is no token of a client', async (token) => {
        expect(await failure(source.floor(token))).toMatchObject({ code: 'BAD_REQUEST' });
      });
    });

    describe('failures', () => {
      const cases = [
        ['down', { code: 'SOURCE_UNAVAILABLE', retryable: true }],
        ['silent', { code: 'SOURCE_TIMEOUT', retryable: true }],
        ['busy', { code: 'SOURCE_THROTTLED', retryable: true }],
        ['refused', { code: 'SOURCE_REJECTED', retryable: false }],
      ] as const;

      test.each(cases)('%s: %j, in time, single and grouped', async (how, expected) => {
        const keys = ['a', 'b', 'c'].map((id) => subject.key(id === 'c' ? 'other' : 'failure', id));
        await source.readMany(keys);
        await subject.fail(how);
        const started = performance.now();
        const errors = await Promise.all([failure(source.read(keys[0] ?? [])), failure(source.readMany(keys))]);
        for (const error of errors) expect(error).toMatchObject(expected);
        expect(performance.now() - started).toBeLessThan(subject.boundMs * 2);
        await subject.restore();
        expect(await source.readMany(keys)).toHaveLength(3);
      });

      test('an abort ends a read at once', async () => {
        const key = subject.key('failure', 'abort');
        await source.read(key);
        await subject.fail('silent');
        const caller = new AbortController();
        const calls = [
          source.read(key, { signal: caller.signal }),
          source.readMany([key, subject.key('failure', 'b')], { signal: caller.signal }),
        ].map(failure);
        caller.abort(new Error('gone'));
        for (const error of await Promise.all(calls)) expect(error).toMatchObject({ code: 'SOURCE_TIMEOUT' });
        const late = failure(source.read(key, { signal: AbortSignal.abort() }));
        expect(await late).toMatchObject({ code: 'SOURCE_TIMEOUT' });
      });

      test('check says whether the source can be used', async () => {
        await source.check();
        await subject.fail('down');
        expect(await failure(source.check())).toMatchObject({ code: 'SOURCE_UNAVAILABLE' });
      });
    });
  });
}
