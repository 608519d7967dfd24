// What is cached. The one file that a team edits; docs/architecture.md shows where each part goes.

import { blob, cosmos, defineCache, entity, omit, postgres, query, sql } from './config/define.ts';

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
      schema: {
        type: 'object',
        properties: {
          id: { type: 'string' },
          type: { const: 'airport' },
          country: { type: 'string' },
          name: { type: 'string' },
          city: { type: ['string', 'null'] },
        },
        required: ['id', 'type', 'country'],
        examples: [{ id: 'CDG', type: 'airport', country: 'FR', name: 'Charles de Gaulle', city: 'Paris' }],
      },
      tags: (doc) => [`country:${doc.country}`],
      maxBytes: '512kb',
    }),
    country: entity({
      source: postgres({ connection: 'POSTGRES', table: 'public.countries', key: { code: 'text' } }),
      ttl: '1h',
      staleFor: '10m',
      staleIfError: '24h',
      tags: (row) => [`region:${String(row['region'])}`],
    }),
    city: entity({
      source: sql({ connection: 'SQL', table: 'dbo.cities', key: { id: 'int' } }),
      ttl: '1h',
      onChange: 'evict',
      tags: (row) => [`country:${String(row['country'])}`],
    }),
  },
  queries: {
    airportsByCountry: query({
      of: 'airport',
      text: 'SELECT * FROM c WHERE c.country = @country ORDER BY c.id',
      params: { country: 'string' },
      partition: ({ country }) => [country ?? null],
      tags: ({ country }) => [`country:${String(country)}`],
      ttl: '5m',
      onChange: 'refresh',
    }),
    countriesByRegion: query({
      of: 'country',
      text: 'SELECT * FROM countries WHERE region = @region ORDER BY name',
      params: { region: 'string' },
      tags: ({ region }) => [`region:${String(region)}`],
      ttl: '5m',
    }),
    citiesByCountry: query({
      of: 'city',
      text: 'SELECT * FROM dbo.cities WHERE country = @country ORDER BY name',
      params: { country: 'string' },
      tags: ({ country }) => [`country:${String(country)}`],
      ttl: '5m',
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
    index: 'index.html',
    // The page of the local stack runs a script of its own: only for a container that nobody else writes to.
    activeContent: 'trust',
    events: true,
  },
});
