// The configuration of the end-to-end tests: neutral data, two entities in one container, one that can be poisoned.

import { cosmos, defineCache, entity, omit } from '../../src/config/define.ts';

const source = cosmos({
  connection: 'COSMOS',
  database: '%COSMOS_DATABASE%',
  container: 'widgets',
  partitionKey: ['/region'],
});

interface Widget {
  readonly [property: string]: unknown;
  readonly type?: string;
  readonly deleted?: boolean;
  readonly poison?: boolean;
}

export default defineCache({
  entities: {
    widget: entity<Widget>({
      source,
      match: (doc) => (doc.type ?? 'widget') === 'widget',
      ttl: '1h',
      staleFor: '10m',
      staleIfError: '24h',
      notFoundTtl: '2s',
      deletedWhen: (doc) => doc.deleted === true,
      select: (doc) => {
        if (doc.poison === true) throw new Error('this document is poison');
        return omit(doc, ['secret']);
      },
      tags: (doc) => [`region:${String(doc['region'])}`],
      maxBytes: '64kb',
    }),
    brief: entity<Widget>({ source, ttl: '1s', staleIfError: '1h', onChange: 'evict', notFoundTtl: '1s' }),
    open: entity<Widget>({
      source,
      ttl: '1h',
      onChange: 'refresh-cached',
      http: { maxAge: '60s', staleWhileRevalidate: '10s', public: true },
      tags: (doc) => [`region:${String(doc['region'])}`],
    }),
  },
});
