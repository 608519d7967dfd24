// Tables of Azure SQL: one whose changes are tracked, two entities in it, and one that nobody tracks.

import { defineCache, entity, query, sql } from '../../src/config/define.ts';

const goods = sql({ connection: 'SQL', table: 'dbo.goods', key: { shop: 'text', id: 'int' } });

export default defineCache({
  entities: {
    good: entity({
      source: goods,
      ttl: '1h',
      staleFor: '10m',
      staleIfError: '24h',
      notFoundTtl: '1m',
      tags: (row) => [`shop:${String(row['shop'])}`],
    }),
    brief: entity({ source: goods, ttl: '1h', onChange: 'evict', select: (row) => row['name'] ?? null }),
    note: entity({
      source: sql({ connection: 'SQL', table: 'notes', key: { id: 'uuid' } }),
      ttl: '2s',
      notFoundTtl: '2s',
    }),
  },
  queries: {
    goodsOfShop: query({
      of: 'good',
      text: 'SELECT shop, id, name, n FROM dbo.goods WHERE shop = @shop AND id >= @least ORDER BY id',
      params: { shop: 'string', least: 'int' },
      tags: ({ shop }) => [`shop:${String(shop)}`],
      ttl: '1h',
    }),
    goodsCount: query({ of: 'good', text: 'SELECT COUNT(*) AS n FROM dbo.goods', anyChange: true, ttl: '1h' }),
  },
});
