// A configuration of whatever values: a list of problems, or one in which every number is one.

import fc from 'fast-check';
import { expect, it } from 'vitest';
import { resolveConfig } from '../../src/config/resolve.ts';
import { ConfigError } from '../../src/core/errors.ts';

const ENV = {
  REDIS_URL: 'redis://127.0.0.1:6379',
  COSMOS: 'AccountEndpoint=http://127.0.0.1:8081/;AccountKey=abc=;',
  POSTGRES: 'postgres://a@b/c',
  CONTENT: 'DefaultEndpointsProtocol=http;AccountName=a;AccountKey=YQ==;BlobEndpoint=http://127.0.0.1:1/a',
};

const odd = fc.oneof(
  fc.constantFrom<unknown[]>(undefined, null, true, 0, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY),
  fc.constantFrom<unknown[]>('', 'x', '5m', '0s', '-1s', '1e3s', '999999d', '1mb', '0b', 'widget'),
  fc.constantFrom<unknown[]>([], {}, ['/x'], ['widget'], ['widget', 1], { id: 'int' }, { id: null }),
  fc.constantFrom<unknown[]>(
    () => 'x',
    () => null,
  ),
  fc.anything({ maxDepth: 1 }),
);

/** What is right, with an option or two replaced by anything. */
const replaced = (names: string, right: object) =>
  fc.oneof(
    { weight: 1, arbitrary: odd },
    {
      weight: 6,
      arbitrary: fc
        .array(fc.tuple(fc.constantFrom(...names.split(' ')), odd), { maxLength: 2 })
        .map((options) => ({ ...right, ...Object.fromEntries(options) })),
    },
  );

const cosmos = { kind: 'cosmos', connection: 'COSMOS', database: 'd', container: 'c', partitionKey: ['/r'] };
const postgres = { kind: 'postgres', connection: 'POSTGRES', table: 't', key: { id: 'int' } };
const source = fc.oneof(
  replaced('kind connection database container partitionKey changeFeedMode', cosmos),
  replaced('connection table key', postgres),
);
const entity = source.chain((of) =>
  replaced('ttl staleFor staleIfError notFoundTtl onChange match select schema revision tags maxBytes http', {
    source: of,
    ttl: '5m',
  }),
);
const query = replaced(
  'of text params partition tags anyChange ttl staleFor limit maxBytes onChange select schema http revision',
  {
    of: 'widget',
    text: 'SELECT',
    ttl: '5m',
    anyChange: true,
  },
);
const sessions = replaced('ttl absolute maxBytes subject durable', { ttl: '20m' });
const content = replaced(
  'source ttl staleFor notFoundTtl maxBytes maxAnswerBytes precompressed cacheControl index events',
  {
    ttl: '1h',
    source: { kind: 'blob', connection: 'CONTENT', container: 'c' },
  },
);

const rest = { queries: {}, sessions: undefined, content: undefined };
const definition = fc.oneof(
  entity.map((widget) => ({ ...rest, entities: { widget } })),
  fc
    .record({ queries: query.map((q) => ({ q })), sessions, content })
    .map((more) => ({ ...more, entities: { widget: { source: cosmos, ttl: '5m' } } })),
);

function expectNumbers(value: unknown): void {
  if (typeof value === 'number') expect(value).toBeLessThan(Number.POSITIVE_INFINITY);
  if (typeof value !== 'object' || value === null) return;
  for (const part of Object.values(value)) expectNumbers(part);
}

it('C127: whatever stands there is a problem with its path, or right', () => {
  let right = 0;
  fc.assert(
    fc.property(definition, (odds) => {
      try {
        expectNumbers(resolveConfig(odds as never, ENV));
        right++;
      } catch (error) {
        expect(error).toBeInstanceOf(ConfigError);
      }
    }),
    { numRuns: 3000 },
  );
  expect(right).toBeGreaterThan(100);
});
