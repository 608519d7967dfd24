// The product, and beside it the least function that could do its job: one auto-pipelined GET, and the bytes go out; bare, or
// with as many headers as the product sends.

import '../src/main.ts';
import { app } from '@azure/functions';
import { Redis } from 'ioredis';

const client = new Redis(process.env['REDIS_URL'] ?? '', { enableAutoPipelining: true });

const TYPE = { 'content-type': 'application/json; charset=utf-8' };
const HEADERS = {
  'cache-status': 'Warmfeed; hit; ttl=3599; detail=watermarked',
  'x-content-type-options': 'nosniff',
  age: '0',
  etag: '"AQIDBAUGBwgJCgsM"',
  'cache-control': 'private, no-cache',
  ...TYPE,
};

for (const [name, headers] of Object.entries({ bare: TYPE, dressed: HEADERS })) {
  app.http(name, {
    route: `${name}/{*key}`,
    methods: ['GET'],
    authLevel: 'function',
    handler: async (request) => {
      const body = await client.getBuffer(`bare:${request.params['key']}`);
      if (body === null) return { status: 404 };
      const length = name === 'bare' ? undefined : { 'content-length': String(body.length) };
      return { status: 200, headers: { ...headers, ...length }, body };
    },
  });
}
app.hook.appTerminate(() => client.disconnect());
