// What is cached. The one file that a team edits; docs/architecture.md shows where each part goes.

import { blob, cosmos, defineCache, entity, omit } from './config/define.ts';

interface Airport {
  readonly [property: string]: unknown;
  readonly type: string;
  readonly country: string;
  readonly deleted?: boolean;
}

export default defineCache({
  entities: {
    airport: entity<Airport>({
      source: cosmos({
        connection: 'COSMOS',
        database: '%COSMOS_DATABASE%',
        container: 'airports',
        partitionKey: ['/country'],
      }),
      match: (doc) => doc.type === 'airport',
      ttl: '1h',
      staleFor: '10m',
      staleIfError: '24h',
      notFoundTtl: '30s',
      onChange: 'refresh',
      deletedWhen: (doc) => doc.deleted === true,
      select: (doc) => omit(doc, ['internalNotes']),
      tags: (doc) => [`country:${doc.country}`],
      maxBytes: '512kb',
    }),
  },
  sessions: {
    ttl: '20m',
    subject: (data) => (typeof data['userId'] === 'string' ? data['userId'] : undefined),
  },
  content: {
    source: blob({ connection: 'CONTENT', container: 'content' }),
    ttl: '5m',
    staleFor: '5m',
    staleIfError: '24h',
    // What pages show without a key: flags and borders of countries.
    authLevel: 'anonymous',
    events: true,
  },
});
