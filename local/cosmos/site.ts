/** What the handlers share. */
import type { Replica } from './replica.ts';
import type { Store } from './store.ts';

export interface Site {
  store: Store;
  replica: Replica;
}
