// One table with a column of every type (docs/values.md), refreshed by changes.

import { defineCache, entity, postgres } from '../../src/config/define.ts';

export default defineCache({
  entities: {
    wide: entity({ source: postgres({ connection: 'POSTGRES', table: 'wide', key: { id: 'int' } }), ttl: '1h' }),
  },
});
