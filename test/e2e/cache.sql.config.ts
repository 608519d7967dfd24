// Tables of Azure SQL: one whose changes are tracked, two entities in it, and one that nobody tracks.

import { defineCache, entity, sql } from '../../src/config/define.ts';

const goods = sql({ connection: 'SQL', table: 'dbo.goods', key: { shop: 'text', id: 'int' } });

export default defineCache({
  entities: {
    good: entity({ source: goods, ttl: '1h', staleFor: '10m', staleIfError: '24h', notFoundTtl: '1m' }),
    brief: entity({ source: goods, ttl: '1h', onChange: 'evict', select: (row) => row['name'] ?? null }),
    note: entity({
      source: sql({ connection: 'SQL', table: 'notes', key: { id: 'uuid' } }),
      ttl: '2s',
      notFoundTtl: '2s',
    }),
  },
});
