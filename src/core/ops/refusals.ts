// Why the last fill of a key was refused, kept for an hour for whoever asks. Noted in the process and written now and
// then, so that refusals by the thousand cost a write each second, not one each.

import { hash64, hex } from '../bytes.ts';
import type { RedisKeys } from '../key.ts';
import type { CacheEvent, FillOutcome } from '../ports.ts';
import type { OpsStore } from './ops-ports.ts';

export type Refused = Exclude<FillOutcome, 'stored' | 'stored-provisionally'>;

export interface Refusal {
  readonly outcome: Refused;
  readonly by: 'read' | 'change';
  /** Milliseconds since the epoch. */
  readonly at: number;
}

export const MEANINGS: Readonly<Record<Refused, string>> = {
  lease: 'the load took longer than its lease, or a change or a purge took the lease away',
  fence: 'the answer was older than a change that was applied to this key',
  older: 'the answer was older than what is cached',
  live: 'a provisional answer does not replace one under the full guarantee',
  watermark: 'the answer was older than what the change feed has told already, or that is not known yet',
  generation: 'the generations that this process knew were older than those of the watermark',
  closed: 'the partition was split, or its state could not be read: the answer has no place in the order of changes',
  'too-large': 'it is larger than maxBytes',
  'other-key': 'the row stands under another key than it was asked by',
  tags: 'something of the result changed while it was loaded',
};

const KEEP_MS = 3_600_000;
/** Of a second; of a key the last one counts. */
const MOST = 500;

/** The name of a record for logs and notes. */
export function recordHash(recordKey: string): string {
  return hex(hash64(recordKey));
}

/** @param nowMs milliseconds since the epoch */
export function createRefusals(deps: { ops: OpsStore; keys: RedisKeys; nowMs: () => number }) {
  const { ops, keys, nowMs } = deps;
  let fresh = new Map<string, Refusal>();

  function observe(event: CacheEvent): void {
    if (event.kind !== 'fill' || event.outcome === 'stored' || event.outcome === 'stored-provisionally') return;
    const { recordKey, outcome, by } = event;
    if (fresh.size < MOST || fresh.has(recordKey)) fresh.set(recordKey, { outcome, by, at: nowMs() });
  }

  /** Writes what was noted since. @throws WarmfeedError STORE_* */
  async function flush(): Promise<void> {
    if (fresh.size === 0) return;
    const noted = fresh;
    fresh = new Map();
    const texts = Array.from(noted, ([recordKey, refusal]) => {
      return [keys.refusal(recordHash(recordKey)), JSON.stringify(refusal)] as const;
    });
    await ops.note(new Map(texts), KEEP_MS);
  }

  /** @throws WarmfeedError STORE_* */
  async function last(recordKey: string): Promise<Refusal | undefined> {
    await flush();
    const text = await ops.noted(keys.refusal(recordHash(recordKey)));
    return text === undefined ? undefined : (JSON.parse(text) as Refusal);
  }

  return { observe, flush, last };
}

export type Refusals = ReturnType<typeof createRefusals>;
