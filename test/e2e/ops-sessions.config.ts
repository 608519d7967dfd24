// With sessions, whose calls are shown besides.

import { defineCache } from '../../src/config/define.ts';
import operations from './ops.config.ts';

export default defineCache({ ...operations, sessions: { ttl: '20m' } });
