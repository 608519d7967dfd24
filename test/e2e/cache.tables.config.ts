// Tables of PostgreSQL: one that is tracked, two entities in it, and one that nobody tracks.

import { defineCache, entity, postgres } from '../../src/config/define.ts';

const parts = postgres({ connection: 'POSTGRES', table: 'parts', key: { shop: 'text', id: 'int' } });

export default defineCache({
  entities: {
    part: entity({ source: parts, ttl: '1h', staleFor: '10m', staleIfError: '24h', notFoundTtl: '1m' }),
    brief: entity({ source: parts, ttl: '1h', onChange: 'evict', select: (row) => row['name'] ?? null }),
    log: entity({
      source: postgres({ connection: 'POSTGRES', table: 'public.logs', key: { id: 'uuid' } }),
      ttl: '2s',
      notFoundTtl: '2s',
    }),
  },
});
