// The configuration of the end-to-end tests of content.

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
    ttl: '1h',
    staleIfError: '1h',
    notFoundTtl: '1h',
    maxBytes: '64kb',
    maxAnswerBytes: '256kb',
    cacheControl: { 'assets/**': 'public, max-age=31536000, immutable' },
    index: 'index.html',
    events: true,
  },
});
