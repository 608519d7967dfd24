import { describe, expect, it } from 'vitest';
import { blob, cosmos, defineCache, entity } from '../../src/config/define.ts';
import { problemsOf, resolveConfig } from '../../src/config/resolve.ts';

const ENV = {
  REDIS_URL: 'redis://127.0.0.1:6379',
  COSMOS: 'AccountEndpoint=http://127.0.0.1:8081/;AccountKey=abc=;',
  CONTENT: 'UseDevelopmentStorage=true',
};
const cosmosSource = cosmos({
  connection: 'COSMOS',
  database: 'shop',
  container: 'widgets',
  partitionKey: ['/region'],
});
const entities = { widget: entity({ source: cosmosSource, ttl: '5m' }) };
const source = blob({ connection: 'CONTENT', container: 'content' });

const resolved = (content: object, environment: Record<string, string> = ENV) =>
  resolveConfig(defineCache({ entities, content: { source, ttl: '1h', ...content } }), environment).content;

const problems = (content: unknown, environment: Record<string, string> = ENV, more: object = {}) => {
  try {
    resolveConfig({ entities: { ...entities, ...more }, content } as never, environment);
    return [];
  } catch (error) {
    return problemsOf(error).map(({ path }) => path);
  }
};

describe('content of a configuration', () => {
  it('has defaults', () => {
    expect(resolved({})).toMatchObject({
      name: 'content',
      source: { connectionName: 'CONTENT', container: 'content', connection: { connectionString: ENV.CONTENT } },
      ttlMs: 3_600_000,
      staleForMs: 0,
      staleIfErrorMs: 0,
      notFoundTtlMs: 30_000,
      maxBytes: 1024 ** 2,
      maxAnswerBytes: 32 * 1024 ** 2,
      precompressed: ['br', 'gzip'],
      activeContent: 'sandbox',
      index: undefined,
      authLevel: 'function',
      events: false,
    });
    expect(resolveConfig({ entities }, ENV).content).toBeUndefined();
  });

  it('takes an identity, as the storage settings of the Functions host name it', () => {
    const { CONTENT: _, ...rest } = ENV;
    const environment = { ...rest, CONTENT__blobServiceUri: 'https://a.blob.example/', CONTENT__clientId: 'id' };
    expect(resolved({}, environment)?.source.connection).toEqual({
      endpoint: 'https://a.blob.example/',
      clientId: 'id',
    });
  });

  it('has the fingerprint of what is stored: other options make old records dead, names of headers do not', () => {
    const of = (content: object) => Buffer.from(resolved(content)?.fingerprint ?? []).toString('hex');
    expect(of({})).toBe(of({ cacheControl: { '**': 'no-cache' }, events: true, authLevel: 'anonymous' }));
    expect(of({})).not.toBe(of({ ttl: '2h' }));
    expect(of({})).not.toBe(of({ maxBytes: '2mb' }));
    expect(of({})).not.toBe(of({ source: blob({ connection: 'CONTENT', container: 'other' }) }));
  });

  it('has every problem reported', () => {
    expect(problems({})).toEqual(['content.source', 'content.ttl']);
    expect(problems([])).toEqual(['content.source', 'content.ttl']);
    const wrong = {
      source: { kind: 'blob', connection: 'NONE', container: 'A_b' },
      ttl: '0s',
      staleFor: 'x',
      notFoundTtl: '0s',
      maxBytes: '0b',
      maxAnswerBytes: 'much',
      precompressed: ['zstd'],
      activeContent: 'yes',
      authLevel: 'admin',
      index: 'a/b',
      events: 'true',
      cacheControl: { '**': 'no\r\nstore' },
      other: 1,
    };
    expect(problems(wrong).toSorted()).toEqual(
      [
        'other',
        'source.connection',
        'source.container',
        'ttl',
        'staleFor',
        'notFoundTtl',
        'maxBytes',
        'maxAnswerBytes',
        'precompressed',
        'activeContent',
        'authLevel',
        'index',
        'events',
        'cacheControl.**',
      ]
        .map((name) => `content.${name}`)
        .toSorted(),
    );
    expect(problems({ source, ttl: '1h', maxBytes: '2mb', maxAnswerBytes: '1mb' })).toEqual(['content.maxAnswerBytes']);
    expect(problems({ source, ttl: '1h' }, { ...ENV, CONTENT: 'nonsense' })).toEqual(['content.source.connection']);
    const content = entities.widget;
    expect(problems({ source, ttl: '1h' }, ENV, { content })).toEqual(['entities.content']);
    expect(problems(undefined, ENV, { content })).toEqual([]);
  });

  it.each([
    ['assets/**', ['assets/a', 'assets/a/b.js'], ['assets', 'x/assets/a']],
    ['/assets/*.js', ['assets/a.js'], ['assets/a/b.js', 'assets/ajs']],
    ['**/*.css', ['a.css', 'x/y/a.css'], ['a.css.map']],
    ['**', ['a', 'a/b'], []],
    ['a+b(1).txt', ['a+b(1).txt'], ['aab1.txt', 'a+b(1)xtxt']],
  ])('the pattern %s', (pattern, matching, others) => {
    const rule = resolved({ cacheControl: { [pattern]: 'no-cache' } })?.cacheControl[0];
    expect(matching.filter((path) => !rule?.pattern.test(path))).toEqual([]);
    expect(others.filter((path) => rule?.pattern.test(path))).toEqual([]);
  });
});
