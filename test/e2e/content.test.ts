// Content, end to end: real Redis, real blob storage (azurite), the built app in the in-process host.

import { afterAll, beforeAll, expect, it } from 'vitest';
import { startAzurite } from '../support/azurite.ts';
import { type Stack, startStack } from '../support/stack.ts';

let azurite: Awaited<ReturnType<typeof startAzurite>>;
let stack: Stack;

beforeAll(async () => {
  azurite = await startAzurite();
  stack = await startStack({
    configuration: new URL('content.config.ts', import.meta.url).pathname,
    settings: { CONTENT: azurite.connection },
  });
});
afterAll(async () => {
  await stack?.close();
  await azurite?.stop();
});

it('is a MISS, then a HIT with the same bytes and ETag', async () => {
  await azurite.put('flags/fra.svg', '<svg/>', { blobContentType: 'image/svg+xml' });
  const first = await stack.get('content/flags/fra.svg');
  const second = await stack.get('content/flags/fra.svg');
  expect([first.status, first.text, first.headers.get('content-type')]).toEqual([200, '<svg/>', 'image/svg+xml']);
  expect(first.cacheStatus).toContain('fwd=miss');
  expect(second.cacheStatus).toMatch(/^Warmfeed; hit; ttl=\d+; detail=leased/);
  expect(second.text).toBe(first.text);
  expect(second.headers.get('etag')).toBe(first.headers.get('etag'));
});
