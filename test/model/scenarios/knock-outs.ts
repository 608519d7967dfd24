// Every rule of the protocol, taken out of the shipped core or of the store's specification as an edit of its source,
// with a scenario in which that is noticed.

import type { Edit } from '../explorer/variant.ts';
import type { Bounds } from './bounds.ts';

export interface KnockOut {
  readonly rule: string;
  readonly edits: readonly Edit[];
  readonly bounds: Bounds;
  readonly looksFor: RegExp;
}

const store = (from: string, to: string): Edit => ({ file: 'test/support/memory-store.ts', from, to });
const core = (file: string, from: string, to: string): Edit => ({ file: `src/core/${file}.ts`, from, to });

const LAGGING: Bounds = { keys: 1, writes: 1, readers: 1, workers: 1, evictions: 1, lagMs: 1000 };

export const ITEMS: readonly KnockOut[] = [
  {
    rule: 'only the holder of the lease fills',
    edits: [
      store("if (equalBytes(request.token, NONE) || !equalBytes(request.token, record.token)) return 'lease';", ''),
    ],
    bounds: LAGGING,
    looksFor: /^I1/,
  },
  {
    rule: 'a fill reaches the watermark',
    edits: [core('watermark', 'asOf >= watermark.position ?', 'asOf >= 0n ?')],
    bounds: LAGGING,
    looksFor: /^I1/,
  },
  {
    rule: 'the watermark is raised before the keys',
    edits: [
      core('sync', 'isSettled ? store.advance(watermarkKey, highest) : undefined,', 'undefined,'),
      core(
        'sync',
        'const answers = await tellQueries(works, partition, watermark);',
        'await store.advance(watermarkKey, highest); const answers = await tellQueries(works, partition, watermark);',
      ),
    ],
    bounds: LAGGING,
    looksFor: /^I1/,
  },
];
