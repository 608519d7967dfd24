// Content compared with kept implementations over random requests: ranges and preconditions with `send`, the file server
// behind Express, for the same bytes with the same Last-Modified (what is decided otherwise on purpose is in
// `decidedOtherwise`); variants with `negotiator`, of those that there are; Cache-Status with `structured-headers`.

import { randomBytes } from 'node:crypto';
import { mkdtempSync, utimesSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import Negotiator from 'negotiator';
import send from 'send';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { askRaw, type RawAnswer, startAzurite } from '../support/azurite.ts';
import { cacheStatusOf } from '../support/cache-status.ts';
import { type Stack, startStack } from '../support/stack.ts';

const SIZES = [0, 1, 100, 5000];
let azurite: Awaited<ReturnType<typeof startAzurite>>;
let stack: Stack;
let server: Server;
const ours = new Map<number, { etag: string; modified: number }>();
const theirs = new Map<number, string>();
const urls = { ours: '', theirs: '' };

beforeAll(async () => {
  azurite = await startAzurite();
  stack = await startStack({
    configuration: new URL('content.config.ts', import.meta.url).pathname,
    settings: { CONTENT: azurite.connection },
  });
  const root = mkdtempSync(join(tmpdir(), 'warmfeed-send-'));
  server = createServer((request, response) => void send(request, request.url ?? '', { root }).pipe(response));
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
  urls.ours = `${stack.host.url}/api/content`;
  urls.theirs = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  for (const size of SIZES) {
    const bytes = randomBytes(size);
    await azurite.put(`${size}.bin`, bytes);
    const { headers } = await askRaw(`${urls.ours}/${size}.bin`);
    const modified = Date.parse(headers['last-modified'] ?? '');
    writeFileSync(join(root, `${size}.bin`), bytes);
    utimesSync(join(root, `${size}.bin`), modified / 1000, modified / 1000);
    ours.set(size, { etag: headers['etag'] ?? '', modified });
    theirs.set(size, (await askRaw(`${urls.theirs}/${size}.bin`)).headers['etag'] ?? '');
  }
  // A date is a strong validator once its second is over.
  await new Promise((resolve) => setTimeout(resolve, 1100));
});
afterAll(async () => {
  server?.close();
  await stack?.close();
  await azurite?.stop();
});

const offset = fc.oneof(fc.nat(120), fc.nat(6000), fc.constant('99999999999999999999'));
const spec = fc.oneof(
  fc.tuple(offset, offset).map(([a, b]) => `${a}-${b}`),
  offset.map((a) => `${a}-`),
  offset.map((n) => `-${n}`),
);
const range = fc.oneof(
  { weight: 8, arbitrary: spec.map((one) => `bytes=${one}`) },
  fc.array(spec, { minLength: 2, maxLength: 4 }).map((specs) => `bytes=${specs.join(',')}`),
  fc.constantFrom('bytes=', 'bytes=-', 'items=0-1', 'bytes=a-b', 'bytes 0-1', ''),
);
/** `own` stands for the server's own ETag, a number for seconds after Last-Modified. */
const tags = fc.array(fc.constantFrom('own', '"other"', 'W/"other"'), { minLength: 1, maxLength: 3 });
const seconds = fc.constantFrom(-86_400, -1, 0, 1, 86_400);
const request = fc.record(
  {
    range,
    'if-range': fc.oneof(fc.constantFrom('own', '"other"'), seconds),
    'if-match': fc.oneof(tags, fc.constant(['*'])),
    'if-unmodified-since': fc.oneof(seconds, fc.constant('nonsense')),
    'if-none-match': fc.oneof(tags, fc.constant(['*'])),
    'if-modified-since': fc.oneof(seconds, fc.constant('nonsense')),
  },
  { requiredKeys: [] },
);

function headersFor(wanted: Record<string, unknown>, etag: string, modified: number): Record<string, string> {
  const text = (value: unknown): string => {
    if (Array.isArray(value)) return value.map(text).join(', ');
    if (typeof value === 'number') return new Date(modified + value * 1000).toUTCString();
    return value === 'own' ? etag : String(value);
  };
  return Object.fromEntries(Object.entries(wanted).map(([name, value]) => [name, text(value)]));
}

/** Why an answer may differ from send's; undefined: it must not. */
function decidedOtherwise(wanted: Record<string, unknown>, size: number, own: RawAnswer, other: RawAnswer) {
  const field = typeof wanted['range'] === 'string' ? wanted['range'] : '';
  const specs = /^bytes=(.*)$/.exec(field)?.[1]?.split(',') ?? [];
  const isValid =
    specs.length > 0 &&
    specs.every((one) => {
      const [, a = '', b = ''] = /^(\d*)-(\d*)$/.exec(one) ?? [];
      return (a !== '' || b !== '') && (a === '' || b === '' || Number(a) <= Number(b));
    });
  if (!isValid && own.status === 200 && other.status !== 200) return 'an invalid Range is ignored (RFC 9110 14.2)';
  if (specs.some((one) => one.startsWith('-') && Number(one.slice(1)) > size) && other.status !== own.status) {
    return 'a suffix that is longer than all is all of it (RFC 9110 14.1.2, C11)';
  }
  if (specs.length > 1 && own.status === 206 && other.status === 200) return 'send has no multipart';
  if (specs.length > 1 && own.status === 206 && other.status === 206) return 'send merges what touches only';
  if (size === 0 && own.status === 200 && other.status === 416) return 'any suffix of nothing is all of it';
  if (typeof wanted['if-range'] === 'number' && wanted['if-range'] > 0 && own.status === 200) {
    return 'the date of If-Range must be the very one (RFC 9110 13.1.5)';
  }
  return undefined;
}

it('C03, C09, C11, C13: answers as send does', async () => {
  const met = new Map<string, number>();
  let same = 0;
  await fc.assert(
    fc.asyncProperty(fc.constantFrom(...SIZES), request, async (size, wanted) => {
      const { etag, modified } = ours.get(size) ?? { etag: '', modified: 0 };
      const own = await askRaw(`${urls.ours}/${size}.bin`, headersFor(wanted, etag, modified));
      const other = await askRaw(`${urls.theirs}/${size}.bin`, headersFor(wanted, theirs.get(size) ?? '', modified));
      cacheStatusOf(own.headers['cache-status'] ?? '');
      const reason = decidedOtherwise(wanted, size, own, other);
      if (reason !== undefined) {
        met.set(reason, (met.get(reason) ?? 0) + 1);
        return;
      }
      same++;
      expect([own.status, own.headers['content-range']]).toEqual([other.status, other.headers['content-range']]);
      if (own.status === 200 || own.status === 206) {
        expect(own.body.equals(other.body)).toBe(true);
        expect(own.headers['content-length']).toBe(other.headers['content-length']);
        expect(own.headers['last-modified']).toBe(other.headers['last-modified']);
        expect(own.headers['accept-ranges']).toBe(other.headers['accept-ranges']);
      }
    }),
    { numRuns: 600 },
  );
  // The exceptions are exceptions.
  expect(same).toBeGreaterThan(300);
  console.log(`${same} the same;`, Object.fromEntries(met));
});

/** Which variants lie beside the original. */
const VARIANTS = { none: [], br: ['br'], gz: ['gzip'], both: ['br', 'gzip'] } as const;
type Name = keyof typeof VARIANTS;
const weight = fc.oneof(
  fc.constantFrom('', ';q=1', ';q=0', '; q=0.5', ';q=0.5', ';Q=0.001', ' ; q=1.000'),
  fc.nat(999).map((n) => `;q=0.${String(n).padStart(3, '0')}`),
);
const coding = fc.constantFrom('br', 'gzip', 'identity', '*', 'deflate', 'zstd', 'BR', 'x-other');
const acceptEncoding = fc
  .array(
    fc.tuple(coding, weight).map(([name, q]) => `${name}${q}`),
    { maxLength: 4 },
  )
  .map((members) => members.join(', '));

it('C16, C17: negotiates as negotiator does', async () => {
  for (const [name, there] of Object.entries(VARIANTS)) {
    await azurite.put(`n/${name}.txt`, 'identity');
    for (const variant of there) await azurite.put(`n/${name}.txt.${variant === 'br' ? 'br' : 'gz'}`, variant);
  }
  const names = Object.keys(VARIANTS) as Name[];
  const reached = new Set<string>();
  await fc.assert(
    fc.asyncProperty(fc.constantFrom(...names), acceptEncoding, async (name, field) => {
      const own = await askRaw(`${urls.ours}/n/${name}.txt`, { 'accept-encoding': field });
      const negotiator = new Negotiator({ headers: { 'accept-encoding': field } }) as unknown as Preferring;
      const [best] = negotiator.encodings([...VARIANTS[name], 'identity'], { preferred: ['br', 'gzip', 'identity'] });
      reached.add(`${name} ${best}`);
      expect(own.headers['vary']).toBe('Accept-Encoding');
      expect([own.status, own.headers['content-encoding']]).toEqual(
        best === undefined ? [406, undefined] : [200, best === 'identity' ? undefined : best],
      );
      if (best !== undefined) expect(own.body.toString()).toBe(best);
    }),
    {
      numRuns: 400,
      examples: names.flatMap((name) =>
        ['*;q=0', 'identity', 'br', 'gzip'].map((field) => [name, field] as [Name, string]),
      ),
    },
  );
  expect(reached.size).toBe(12);
});

/** What its types do not know yet. */
interface Preferring {
  encodings(available: string[], options: { preferred: string[] }): string[];
}
