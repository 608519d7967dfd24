// The guard of blob storage: reads for the cache as those of any source; what is too large for the cache is slow by
// nature, so it has limits of its own.

import type { BlobSource } from '../core/content/content.ts';
import type { Limit } from '../core/read/read.ts';
import { createGuard, type GuardLimits } from './guard.ts';

/** head and read throw as a guarded source does, slice as `large`. */
export function guardBlobs(source: BlobSource, limits: GuardLimits, large: Limit): BlobSource {
  const run = createGuard(source.name, limits);
  return {
    name: source.name,
    head: (name, options) => run(options, (inner) => source.head(name, inner)),
    read: (name, options) => run(options, (inner) => source.read(name, { ...options, ...inner })),
    slice: (name, slice) => large((signal) => source.slice(name, { ...slice, signal })),
    check: () => source.check(),
  };
}
