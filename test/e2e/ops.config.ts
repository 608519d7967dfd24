// The configuration of the end-to-end tests of operations: an entity that can be poisoned, and queries of it.

import { cosmos, defineCache, entity, query } from '../../src/config/define.ts';

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
      staleFor: '10m',
      staleIfError: '24h',
      select: (doc) => {
        if (doc['poison'] === true) throw new Error('this document is poison');
        return doc;
      },
      tags: (doc) => [`region:${String(doc['region'])}`, `color:${String(doc['color'])}`],
    }),
  },
  queries: {
    widgetsOfColor: query({
      of: 'widget',
      text: 'SELECT * FROM c WHERE c.color = @color ORDER BY c.id',
      params: { color: 'string' },
      tags: ({ color }) => [`color:${String(color)}`],
      ttl: '1h',
    }),
    widgetCount: query({ of: 'widget', text: 'SELECT VALUE COUNT(1) FROM c', anyChange: true, ttl: '1h' }),
  },
});
