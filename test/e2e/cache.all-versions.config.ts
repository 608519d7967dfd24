// The configuration of the all-versions-and-deletes tests: one container, three kinds of documents in it, each cached in
// another way, and nothing that a time alone would mend.

import { cosmos, defineCache, entity } from '../../src/config/define.ts';

const source = cosmos({
  connection: 'COSMOS',
  database: '%COSMOS_DATABASE%',
  container: 'widgets',
  partitionKey: ['/region'],
  changeFeedMode: 'AllVersionsAndDeletes',
});

interface Thing {
  readonly [property: string]: unknown;
  readonly type?: string;
}

const lasting = { source, ttl: '1h', notFoundTtl: '1h', staleIfError: '24h' } as const;

export default defineCache({
  entities: {
    order: entity<Thing>({ ...lasting, match: (doc) => (doc.type ?? 'order') === 'order' }),
    note: entity<Thing>({ ...lasting, match: (doc) => doc.type === 'note', onChange: 'evict' }),
    any: entity<Thing>({ ...lasting, onChange: 'refresh-cached' }),
  },
});
