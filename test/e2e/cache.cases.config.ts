// Tables for cases from the field: large and odd values, and keys of a type.

import { defineCache, entity, postgres } from '../../src/config/define.ts';

export default defineCache({
  entities: {
    thing: entity({
      source: postgres({ connection: 'POSTGRES', table: 'things', key: { id: 'int' } }),
      ttl: '1h',
      staleIfError: '24h',
      maxBytes: '1mb',
    }),
    log: entity({
      source: postgres({ connection: 'POSTGRES', table: 'logs', key: { id: 'uuid' } }),
      ttl: '1h',
    }),
  },
});
