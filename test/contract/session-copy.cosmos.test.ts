import { randomBytes } from 'node:crypto';
import { type Container, CosmosClient } from '@azure/cosmos';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type CosmosEmulator, startCosmosEmulator } from '../../local/cosmos/emulator.ts';
import type { SessionRecord } from '../../src/core/session/session-record.ts';
import { createCosmosClients } from '../../src/sources/cosmos.ts';
import { createCosmosSessions } from '../../src/sources/cosmos-sessions.ts';

const limits = { concurrency: 16, queue: 16, timeoutMs: 2000, breakerFailures: 100, breakerResetMs: 100 };

let emulator: CosmosEmulator;
let admin: CosmosClient;
let items: Container;
const clients = createCosmosClients();
beforeAll(async () => {
  emulator = await startCosmosEmulator({ port: 0, ranges: 3 });
  admin = new CosmosClient({ endpoint: emulator.endpoint, key: emulator.key });
  const { database } = await admin.databases.create({ id: 'db' });
  items = (await database.containers.create({ id: 'sessions', partitionKey: '/id', defaultTtl: -1 })).container;
  await database.containers.create({ id: 'other-key', partitionKey: '/x', defaultTtl: -1 });
  await database.containers.create({ id: 'no-ttl', partitionKey: '/id' });
});
afterAll(async () => {
  clients.dispose();
  admin.dispose();
  await emulator.close();
});

const copyIn = (container: string) => {
  const connection = { connectionString: emulator.connectionString };
  return createCosmosSessions({ connection, connectionName: 'COSMOS', database: 'db', container, limits }, clients);
};
const copy = () => copyIn('sessions');

const fresh = () => randomBytes(32).toString('base64url');
const session = (over: Partial<SessionRecord> = {}): SessionRecord => ({
  version: 1,
  created: 1_750_000_000_000,
  seen: 1_750_000_000_000,
  token: Buffer.from('00ff80c30afe0001', 'hex'),
  subject: undefined,
  body: Buffer.from('{ "z": [], "a": 1.50, "é": "\\u0000" }'),
  ...over,
});
const kept = async (name: string) => {
  const found = await copy().read(name);
  return found === undefined || found === 'ended' ? found : { ...found, body: Buffer.from(found.body).toString() };
};

describe('the durable copy of sessions', () => {
  test('keeps every byte', async () => {
    const name = fresh();
    expect(await copy().read(name)).toBeUndefined();
    const one = session({ subject: randomBytes(32), version: 2 ** 40 });
    expect(await copy().write(name, one, 60_500)).toBe('kept');
    expect(await kept(name)).toEqual({ ...one, body: Buffer.from(one.body).toString() });
    expect((await items.item(name, name).read()).resource).toMatchObject({ ttl: 61 });
  });

  test('keeps the newest, whatever comes last or at the same time', async () => {
    const name = fresh();
    const versions = Array.from({ length: 12 }, (_, i) => i + 1);
    const writes = versions.map((version) => copy().write(name, session({ version }), 60_000));
    await Promise.allSettled(writes);
    await copy().write(name, session({ version: 12 }), 60_000);
    expect(await kept(name)).toMatchObject({ version: 12 });
    await copy().write(name, session({ version: 3 }), 60_000);
    expect(await kept(name)).toMatchObject({ version: 12 });
    const later = session({ version: 12, seen: session().seen + 1 });
    await copy().write(name, later, 60_000);
    await copy().write(name, session({ version: 12 }), 60_000);
    expect(await kept(name)).toMatchObject({ seen: later.seen });
    // Another life of the same id, after the first had expired.
    await copy().write(name, session({ version: 1, created: session().created + 1 }), 60_000);
    expect(await kept(name)).toMatchObject({ version: 1 });
  });

  test('an end is final, also for writes that began before it', async () => {
    const name = fresh();
    await copy().write(name, session(), 60_000);
    const writes = [2, 3, 4].map((version) => copy().write(name, session({ version }), 60_000));
    await copy().end(name, 90_000);
    await Promise.allSettled(writes);
    expect(await copy().read(name)).toBe('ended');
    expect(await copy().write(name, session({ version: 99, created: session().created + 1 }), 60_000)).toBe('ended');
    const { resource } = await items.item(name, name).read<Record<string, unknown>>();
    expect(resource).toMatchObject({ state: 'ended', ttl: 90 });
    expect(resource?.['body']).toBeUndefined();
    const unknown = fresh();
    await copy().end(unknown, 90_000);
    expect(await copy().read(unknown)).toBe('ended');
  });

  test('lists the live ones of a subject, over all partitions', async () => {
    const subject = randomBytes(32);
    const names = Array.from({ length: 12 }, fresh);
    for (const name of names) await copy().write(name, session({ subject }), 60_000);
    await copy().write(fresh(), session({ subject: randomBytes(32) }), 60_000);
    await copy().end(names[0] ?? '', 60_000);
    expect((await copy().listed(subject)).toSorted()).toEqual(names.slice(1).toSorted());
  });

  test('a container that cannot be used is told, and is no absent session', async () => {
    await copy().check();
    for (const container of ['other-key', 'no-ttl', 'none']) {
      await expect(copyIn(container).check()).rejects.toMatchObject({ code: 'SOURCE_REJECTED' });
    }
    await expect(copyIn('none').read(fresh())).rejects.toMatchObject({ code: 'SOURCE_REJECTED' });
    await expect(copyIn('none').write(fresh(), session(), 1000)).rejects.toMatchObject({ code: 'SOURCE_REJECTED' });
  });

  test.each([
    [{ status: 503 }, 'SOURCE_UNAVAILABLE'],
    [{ status: 429, retryAfterMs: 10 }, 'SOURCE_THROTTLED'],
    [{ action: 'hang' as const }, 'SOURCE_TIMEOUT'],
    [{ status: 404, substatus: 1002 }, 'SOURCE_UNAVAILABLE'],
  ])('a failure %j is %s', async (fault, code) => {
    emulator.control.fault({ operation: 'read', ...fault });
    await expect(copy().read(fresh())).rejects.toMatchObject({ code, retryable: true });
    emulator.control.clearFaults();
  });
});
