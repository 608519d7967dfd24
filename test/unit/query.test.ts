import { describe, expect, it } from 'vitest';
import type { Entity } from '../../src/core/entity.ts';
import { dependenciesOf, fingerprintOf, type Query } from '../../src/core/query/query.ts';

const entity = { name: 'item' } as Entity;
const query = (tags: () => unknown): Query =>
  ({ title: 'list', of: [entity], params: [], tags: tags as Query['tags'] }) as unknown as Query;

describe('the tags of a query', () => {
  it('are those of its values, each once', () => {
    expect(
      dependenciesOf(
        query(() => ['b', 'a', 'b']),
        [''],
      ),
    ).toEqual([{ entity, tags: ['b', 'a'] }]);
  });

  it.each<[string, () => unknown]>([
    ['none', () => []],
    ['an empty one', () => ['']],
    ['one with a line end', () => ['a\nb']],
    ['one that is no text', () => [7]],
    ['no list', () => 'a'],
    [
      'a failure',
      () => {
        throw new Error('no');
      },
    ],
  ])('%s: no result could be found by a change', (_, tags) => {
    expect(() => dependenciesOf(query(tags), [''])).toThrow(expect.objectContaining({ code: 'ROW_INVALID' }));
  });
});

it('the results of a query are old where an entity that they are made of has another fingerprint', () => {
  const of = (n: number) => fingerprintOf(Uint8Array.of(1), [{ fingerprint: Uint8Array.of(n) } as unknown as Entity]);
  expect(of(2)).toEqual(of(2));
  expect(of(3)).not.toEqual(of(2));
  expect(of(2)).toHaveLength(8);
});
