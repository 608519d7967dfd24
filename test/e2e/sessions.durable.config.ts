// Session state with a durable copy in Cosmos DB.

import { cosmosContainer, defineCache } from '../../src/config/define.ts';
import base from './sessions.config.ts';

export default defineCache({
  ...base,
  sessions: {
    ...base.sessions,
    durable: cosmosContainer({ connection: 'COSMOS', database: '%COSMOS_DATABASE%', container: 'sessions' }),
  },
});
