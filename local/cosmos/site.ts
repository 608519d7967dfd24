/** What the handlers share. */
import type { Replica } from './replica.ts';
import type { Store } from './store.ts';

export interface Site {
  store: Store;
  replica: Replica;
  /** The full-fidelity feed shows what a replaced or deleted document was; the service does so where it was opted in. */
  previousImages: boolean;
}
