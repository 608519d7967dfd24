// Loading one key of an entity: under a lease, then into the cache if lease, fence and watermark allow it
// (protocol A and B).

import { hash64 } from '../bytes.ts';
import { type Entity, type Represented, represent } from '../entity.ts';
import type { ReadOptions, SourceRead, Watermark } from '../ports.ts';
import { createConfirm } from '../protocol/confirm.ts';
import { createLeasing, type Load, type Loaded, type LoaderDeps, signalOf } from '../protocol/lease.ts';
import { admit } from '../protocol/watermark.ts';

/** The load rejects with WarmfeedError SOURCE_*, ROW_INVALID. */
export function createLoader(deps: LoaderDeps): Load<Entity> {
  const { entropy, options } = deps;
  const confirm = createConfirm(deps);

  function termsOf(answer: SourceRead, { cacheable }: Represented, watermark: Watermark): Loaded['terms'] {
    const admission = admit(watermark, answer.asOf, options.provisionalMs);
    if ('refused' in admission) return admission;
    if (answer.isStorable === false) return { refused: 'other-key' };
    if (!cacheable) return { refused: 'too-large' };
    const { version, asOf, expiresAt, partition } = answer;
    return { ...admission, identity: hash64(partition.id), version, asOf, expiresAt };
  }

  return createLeasing(deps, {
    async load(request, snapshot) {
      const { entity, key } = request;
      const first = await entity.source.read(key, signalOf(request));
      const again = (how: ReadOptions) => entity.source.read(key, how);
      const { answer, watermark } = await confirm(first, {
        source: entity.source,
        snapshot,
        again,
        ...signalOf(request),
      });
      const represented = represent(entity, answer.document, entropy.digest);
      return { represented, terms: termsOf(answer, represented, watermark) };
    },
    async find(request) {
      const answer = await request.entity.source.read(request.key, signalOf(request));
      return represent(request.entity, answer.document, entropy.digest);
    },
  });
}
