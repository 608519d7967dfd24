// The product, and beside it the least function that could do its job: one auto-pipelined GET, and the bytes go out.

import '../src/main.ts';
import { app } from '@azure/functions';
import { Redis } from 'ioredis';

const client = new Redis(process.env['REDIS_URL'] ?? '', { enableAutoPipelining: true });

app.http('bare', {
  route: 'bare/{*key}',
  methods: ['GET'],
  authLevel: 'function',
  handler: async (request) => {
    const body = await client.getBuffer(`bare:${request.params['key']}`);
    if (body === null) return { status: 404 };
    return { status: 200, headers: { 'content-type': 'application/json; charset=utf-8' }, body };
  },
});
app.hook.appTerminate(() => client.disconnect());
