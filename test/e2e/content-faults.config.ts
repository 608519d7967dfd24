// The configuration of the fault tests of content.

import { blob, cosmos, defineCache, entity } from '../../src/config/define.ts';

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
  content: {
    source: blob({ connection: 'CONTENT', container: 'content' }),
    ttl: '300ms',
    staleIfError: '1h',
    notFoundTtl: '300ms',
    maxBytes: '64kb',
    maxAnswerBytes: '256kb',
    events: true,
  },
});
