/**
 * The requests of the real Cosmos DB trigger, as they stand in trigger.json: replayed against the emulator answer by answer,
 * so that `func start` works with it, and compared with what our own host sends, so that host and extension stay alike.
 */
import { afterEach, describe, expect, it } from 'vitest';
import { type CosmosEmulator, startCosmosEmulator } from '../../local/cosmos/emulator.ts';
import { send } from './cosmos-fixture.ts';
import { type FeedBench, startFeedBench } from './fixtures/host/support/feed-bench.ts';
import { until } from './fixtures/host/support/raw-request.ts';
import { startRecorder } from './fixtures/wire/recorder.ts';
import { type Captured, differences, fill, fillAll, kindOf, type Step, sequence } from './fixtures/wire/steps.ts';

const path = (text: string): string => text.split('/').map(encodeURIComponent).join('/');

const replay = async (emulator: CosmosEmulator, { request, reply }: Step, captured: Captured): Promise<string[]> => {
  // The prefix of all lease documents, as soon as the rids are known.
  const [dbRid, collRid] = [captured.get('dbRid'), captured.get('collRid')];
  if (dbRid && collRid) captured.set('prefix', `127.0.0.1_${dbRid}_${collRid}`);
  const headers = fillAll(request.headers, captured) as Record<string, string>;
  const body = fillAll(request.body, captured);
  const answer = await send(emulator, request.method, path(fill(request.path, captured)), headers, body);
  const wrong = answer.status === reply.status ? [] : [`status: expected ${reply.status}, got ${answer.status}`];
  for (const [name, expected] of Object.entries(reply.headers ?? {})) {
    const actual = answer.headers.get(name);
    if (expected === null ? actual !== null : differences(expected, actual, captured).length > 0)
      wrong.push(`${name}: expected ${expected}, got ${actual}`);
  }
  if (reply.body !== undefined) wrong.push(...differences(reply.body, answer.text === '' ? '' : answer.json, captured));
  return wrong;
};

describe('the recorded sequence of the trigger', () => {
  it('says where it comes from, and each step has a name of its own', () => {
    expect(sequence.about.join(' ')).toContain('not recorded here');
    expect(new Set(sequence.steps.map(({ name }) => name)).size).toBe(sequence.steps.length);
  });

  it('is answered by the emulator as by the service, step by step', async () => {
    const emulator = await startCosmosEmulator();
    await send(emulator, 'POST', '/dbs', {}, { id: 'db' });
    const items = { id: 'items', partitionKey: { paths: ['/pk'], kind: 'Hash' } };
    await send(emulator, 'POST', '/dbs/db/colls', {}, items);
    const captured: Captured = new Map([
      ['owner', '3b7e2c1a-0000-4000-8000-000000000001'],
      ['hostStart', new Date(Date.now() - 1000).toUTCString()],
      ['maxItems', '100'],
    ]);
    for (const step of sequence.steps)
      expect(await replay(emulator, step, captured), `${step.name}: ${JSON.stringify(step.request)}`).toEqual([]);
    await emulator.close();
  });
});

describe('our own host', () => {
  let bench: FeedBench;
  afterEach(() => bench.close());

  it('sends what the extension sends, and nothing else', async () => {
    bench = await startFeedBench({ leases: false });
    const { emulator } = bench.account;
    const recorder = await startRecorder(emulator.endpoint);
    const settings = {
      COSMOS: `AccountEndpoint=${recorder.endpoint};AccountKey=${emulator.key};`,
      FEED_CREATE: 'true',
    };
    const first = await bench.start(settings);
    for (const id of ['a', 'b']) {
      await bench.account.add('0', id);
      await bench.account.add('1', `${id}1`);
    }
    await bench.untilEnded('a', 'b', 'a1', 'b1');
    // Several steps can be of one kind: the same request, answered otherwise.
    const kind = (name: string) => {
      const step = sequence.steps.find((one) => one.name === name);
      return step && kindOf(step.request);
    };
    const seen = (name: string) => recorder.exchanges.some((one) => kindOf(one) === kind(name));
    await until('it was drained and renewed', () => seen('feed: drained') && seen('renewal: read'));
    await first.close();
    const puts = recorder.exchanges.filter(({ method }) => method === 'PUT');
    expect(puts.at(-1)?.body).toMatchObject({ Owner: null, ContinuationToken: expect.any(String) as string });
    // Another prefix, from now on, with a page size.
    const second = await bench.start({ ...settings, FEED_BEGINNING: 'false', FEED_MAX: '7', FEED_PREFIX: 'other' });
    await until('it asked since its start', () => seen('feed from now: since the start of the host'));
    await second.close();
    await recorder.close();

    expect(recorder.exchanges.filter((one) => kindOf(one) === undefined)).toEqual([]);
    const kinds = new Set(recorder.exchanges.map((one) => kindOf(one)?.name));
    const expected = sequence.steps
      .filter(({ from, contested }) => !from && !contested)
      .map(({ request }) => kindOf(request)?.name);
    expect([...new Set(expected)].filter((name) => !kinds.has(name))).toEqual([]);
  });
});
