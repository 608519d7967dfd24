// The configuration of cache.config.ts in its next revision: the same items in another form.

import { cosmos, defineCache, entity } from '../../src/config/define.ts';

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
      revision: 2,
      select: (doc) => ({ ...(doc as object), form: 2 }),
    }),
  },
});
