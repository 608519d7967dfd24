// A configuration file with a mistake in its own code.

import { defineCache } from '../../src/config/define.ts';

throw new Error('this file is broken');

export default defineCache({ entities: {} });
