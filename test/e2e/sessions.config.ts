// The configuration of the tests of session state: short lives, a small size, subjects.

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
    }),
  },
  sessions: {
    ttl: '20m',
    absolute: '12h',
    maxBytes: '2kb',
    subject: (data) => (typeof data['userId'] === 'string' ? data['userId'] : undefined),
  },
});
