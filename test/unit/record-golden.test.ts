// Records as they lie in caches today: they must be readable, or a miss, in all versions to come. `UPDATE_GOLDEN=1`
// writes those that are missing; a file that exists is never written again.

import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { concat, hash64, hex, u64, utf8 } from '../../src/core/bytes.ts';
import type { Representation } from '../../src/core/ports.ts';
import { asOfOf, decodeControl, decodeEntry, etagOf, tagsOf, versionOf } from '../../src/core/record.ts';
import { tailOf } from '../support/record.ts';

const FOLDER = new URL('../golden/records/', import.meta.url);
const NONE = new Uint8Array(8);
const [FILLED, SOFT, HARD] = [1_790_000_000_000, 1_790_000_060_000, 1_790_000_660_000];

if (process.env['UPDATE_GOLDEN'] === '1') {
  mkdirSync(FOLDER, { recursive: true });
  for (const [name, record] of Object.entries(samples())) {
    if (!existsSync(new URL(`${name}.bin`, FOLDER))) {
      writeFileSync(new URL(`${name}.bin`, FOLDER), record);
      writeFileSync(new URL(`${name}.json`, FOLDER), `${JSON.stringify(explain(record), null, 2)}\n`);
    }
  }
}

const names = readdirSync(FOLDER)
  .filter((file) => file.endsWith('.bin'))
  .map((file) => file.slice(0, -4));

test('there are golden records', () => expect(names.length).toBeGreaterThanOrEqual(10));

test.each(names)('%s', (name) => {
  const record = new Uint8Array(readFileSync(new URL(`${name}.bin`, FOLDER)));
  expect(explain(record)).toEqual(JSON.parse(readFileSync(new URL(`${name}.json`, FOLDER), 'utf8')));
});

/** Everything that is in a record, as JSON; `null` for what cannot be read. */
function explain(record: Uint8Array) {
  const entry = decodeEntry(record);
  const control = decodeControl(record);
  return {
    entry:
      entry === undefined
        ? null
        : {
            state: entry.state,
            guarantee: entry.guarantee,
            filledAt: entry.filledAt,
            softAt: entry.softAt,
            hardAt: entry.hardAt,
            version: String(versionOf(entry)),
            asOf: String(asOfOf(entry)),
            stamp: hex(record.subarray(64, 80)),
            etag: hex(etagOf(entry)),
            tags: tagsOf(entry),
            body: new TextDecoder().decode(entry.body),
          },
    control:
      control === undefined
        ? null
        : {
            identity: hex(control.identity),
            fence: String(control.fence),
            leaseToken: hex(control.leaseToken),
            leaseDeadline: control.leaseDeadline,
          },
  };
}

function samples(): Record<string, Uint8Array> {
  const airport: Representation = {
    state: 'value',
    body: utf8('{"id":"CDG","name":"Charles de Gaulle ✈"}'),
    etag: utf8('twelve bytes'),
    tags: ['country/FR', 'hub/é'],
  };
  const value = build(1, airport, 'watermarked');
  const bare = build(0, undefined, 'leased');
  return {
    'format1-value': value,
    'format1-value-leased': build(1, { ...airport, tags: [] }, 'leased', utf8('token..1')),
    'format1-provisional': build(1, airport, 'provisional'),
    'format1-absent': build(2, { state: 'absent' }, 'fenced'),
    'format1-empty-body': build(1, { state: 'value', body: new Uint8Array(), etag: NONE, tags: [] }, 'watermarked'),
    'format1-fence': bare,
    'format1-lease': build(0, undefined, 'leased', utf8('token..1')),
    'format2-value': concat(new Uint8Array([0x57, 2]), value.subarray(2)),
    'foreign-json': utf8('{"id":"CDG"}'),
    'foreign-empty': new Uint8Array(),
    'foreign-magic': concat(utf8('w'), value.subarray(1)),
    'spoilt-half': value.subarray(0, 70),
    'spoilt-longer': concat(value, utf8('!')),
    'spoilt-state': concat(value.subarray(0, 2), new Uint8Array([7]), value.subarray(3)),
    'spoilt-encoding': concat(value.subarray(0, 61), new Uint8Array([1]), value.subarray(62)),
    'spoilt-guarantee': concat(value.subarray(0, 60), new Uint8Array([9]), value.subarray(61)),
  };
}

function build(
  state: number,
  value: Representation | undefined,
  guarantee: 'provisional' | 'leased' | 'fenced' | 'watermarked',
  token: Uint8Array = NONE,
): Uint8Array {
  const stamp = concat(hash64('generation'), hash64('fingerprint'));
  const fill = { guarantee, stamp, version: 2n ** 63n + 5n, asOf: 2n ** 53n + 1n };
  const head = concat(new Uint8Array([0x57, 1, state, 0]), hash64('rid/0'), u64(2n ** 32n + 1n), token);
  const deadline = u64(token === NONE ? 0n : BigInt(FILLED));
  if (value === undefined) return concat(head, deadline);
  return concat(head, deadline, ...[FILLED, SOFT, HARD].map((ms) => u64(BigInt(ms))), tailOf({ ...fill, value }));
}
