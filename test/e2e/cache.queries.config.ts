// Queries over one container and one table: lists by tag, a count, a join-like one over both entities of the table.

import { cosmos, defineCache, entity, omit, postgres, query } from '../../src/config/define.ts';

export default defineCache({
  entities: {
    widget: entity({
      source: cosmos({
        connection: 'COSMOS',
        database: '%COSMOS_DATABASE%',
        container: 'widgets',
        partitionKey: ['/region'],
      }),
      ttl: '1h',
      deletedWhen: (doc) => doc['deleted'] === true,
      select: (doc) => omit(doc, ['secret']),
      tags: (doc) => [`region:${String(doc['region'])}`, `color:${String(doc['color'])}`],
    }),
    part: entity({
      source: postgres({ connection: 'POSTGRES', table: 'parts', key: { shop: 'text', id: 'int' } }),
      ttl: '1h',
      onChange: 'evict',
      tags: (row) => [`shop:${String(row['shop'])}`],
    }),
    note: entity({
      source: postgres({ connection: 'POSTGRES', table: 'notes', key: { id: 'int' } }),
      ttl: '1h',
    }),
  },
  queries: {
    widgetsOfRegion: query({
      of: 'widget',
      text: 'SELECT * FROM c WHERE c.region = @region',
      params: { region: 'string' },
      partition: ({ region }) => [region ?? null],
      tags: ({ region }) => [`region:${String(region)}`],
      ttl: '1h',
    }),
    widgetsOfColor: query({
      of: 'widget',
      text: 'SELECT * FROM c WHERE c.color = @color ORDER BY c.id',
      params: { color: 'string' },
      tags: ({ color }) => [`color:${String(color)}`],
      ttl: '1h',
      limit: 50,
    }),
    ranked: query({
      of: 'widget',
      text: 'SELECT * FROM c WHERE c.region = @region ORDER BY c.rank',
      params: { region: 'string' },
      partition: ({ region }) => [region ?? null],
      tags: ({ region }) => [`region:${String(region)}`],
      ttl: '1h',
    }),
    partsNamed: query({
      of: 'part',
      text: 'SELECT * FROM parts WHERE name = @name',
      params: { name: 'string' },
      anyChange: true,
      ttl: '1h',
    }),
    partsOfShop: query({
      of: 'part',
      text: `SELECT * FROM parts WHERE shop = @shop AND n >= @least::bigint AND name <> '@shop' ORDER BY id`,
      params: { shop: 'string', least: 'bigint' },
      tags: ({ shop }) => [`shop:${String(shop)}`],
      ttl: '1h',
      onChange: 'refresh',
      limit: 20,
    }),
    colorsOfRegion: query({
      of: 'widget',
      text: 'SELECT c.id, c.color FROM c WHERE c.region = @region',
      params: { region: 'string' },
      tags: ({ region }) => [`region:${String(region)}`],
      select: (row: unknown) => row,
      ttl: '1h',
    }),
    slow: query({ of: 'part', text: 'SELECT note_call() AS n', anyChange: true, ttl: '1h' }),
    partsAndNotes: query({
      of: ['part', 'note'],
      text: 'SELECT (SELECT count(*) FROM parts) + (SELECT count(*) FROM notes) AS n',
      anyChange: true,
      ttl: '1h',
    }),
    partCount: query({ of: 'part', text: 'SELECT count(*) AS n FROM parts', anyChange: true, ttl: '1h' }),
  },
});
