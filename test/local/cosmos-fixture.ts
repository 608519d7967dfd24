/** An emulator, a client and containers for one test file; and requests signed by hand, as the trigger sends them. */
import { createHmac, randomUUID } from 'node:crypto';
import { type Container, type ContainerRequest, CosmosClient, type Database } from '@azure/cosmos';
import { afterAll, beforeAll } from 'vitest';
import { type CosmosEmulator, type CosmosEmulatorOptions, startCosmosEmulator } from '../../local/cosmos/emulator.ts';

export interface RawReply {
  status: number;
  headers: Headers;
  text: string;
  json: Record<string, unknown>;
}

export interface Fixture {
  emulator: CosmosEmulator;
  client: CosmosClient;
  database: Database;
  container(shape?: Partial<ContainerRequest>): Promise<Container>;
  raw(method: string, path: string, headers?: Record<string, string>, body?: unknown): Promise<RawReply>;
}

const sign = (key: string, method: string, path: string): Record<string, string> => {
  const parts = path.split('/').filter((part) => part !== '');
  const even = parts.length % 2 === 0;
  const type = (even ? parts.at(-2) : parts.at(-1)) ?? '';
  const link = decodeURIComponent((even ? parts : parts.slice(0, -1)).join('/'));
  const date = new Date().toUTCString();
  const payload = `${method}\n${type}\n${link}\n${date}\n\n`.toLowerCase().replace(link.toLowerCase(), link);
  const signature = createHmac('sha256', Buffer.from(key, 'base64')).update(payload).digest('base64');
  return { 'x-ms-date': date, authorization: encodeURIComponent(`type=master&ver=1.0&sig=${signature}`) };
};

export const send = async (
  { endpoint, key }: CosmosEmulator,
  method: string,
  path: string,
  headers: Record<string, string> = {},
  body?: unknown,
): Promise<RawReply> => {
  const response = await fetch(new URL(path, endpoint), {
    method,
    headers: { 'x-ms-version': '2020-07-15', ...sign(key, method, path), ...headers },
    ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
  });
  const text = await response.text();
  const json = text === '' ? {} : (JSON.parse(text) as Record<string, unknown>);
  return { status: response.status, headers: response.headers, text, json };
};

export const useCosmos = (options: CosmosEmulatorOptions = {}): Fixture => {
  const fixture = {
    container: async (shape: Partial<ContainerRequest> = {}) => {
      const { container } = await fixture.database.containers.create({
        id: randomUUID(),
        partitionKey: { paths: ['/pk'] },
        ...shape,
      });
      return container;
    },
    raw: (method, path, headers, body) => send(fixture.emulator, method, path, headers, body),
  } as Fixture;
  beforeAll(async () => {
    fixture.emulator = await startCosmosEmulator(options);
    fixture.client = new CosmosClient(fixture.emulator.connectionString);
    ({ database: fixture.database } = await fixture.client.databases.create({ id: 'shop' }));
  });
  afterAll(async () => {
    fixture.client.dispose();
    await fixture.emulator.close();
  });
  return fixture;
};

/** A system property of a resource. */
export const system = (resource: object | undefined, name: '_rid' | '_self' | '_etag'): string =>
  String((resource as Record<string, unknown> | undefined)?.[name]);

/** What a rejected call was rejected with. */
export const failure = async (
  call: Promise<unknown>,
): Promise<{ code?: unknown; substatus?: unknown; message: string }> => {
  try {
    await call;
  } catch (error) {
    return error as { code?: unknown; substatus?: unknown; message: string };
  }
  throw new Error('The call was expected to fail.');
};
