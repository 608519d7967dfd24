// Whatever is counted: items, queries, sessions and content.

import { blob, defineCache } from '../../src/config/define.ts';
import operations from './ops.config.ts';

export default defineCache({
  ...operations,
  sessions: { ttl: '20m' },
  content: { source: blob({ connection: 'CONTENT', container: 'content' }), ttl: '1h' },
});
