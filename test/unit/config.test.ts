import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { cosmos, cosmosContainer, defineCache, entity } from '../../src/config/define.ts';
import { problemsOf, resolveConfig } from '../../src/config/resolve.ts';
import { leasePrefix, readSettings, SETTINGS } from '../../src/config/settings.ts';
import { parseDuration, parseSize } from '../../src/config/units.ts';
import { ConfigError } from '../../src/core/errors.ts';

const ENV = {
  REDIS_URL: 'redis://127.0.0.1:6379',
  COSMOS: 'AccountEndpoint=http://127.0.0.1:8081/;AccountKey=abc=;',
  DB: 'shop',
};
const source = cosmos({ connection: 'COSMOS', database: '%DB%', container: 'widgets', partitionKey: ['/region'] });

const problems = (definition: unknown, environment: Record<string, string> = ENV) => {
  try {
    resolveConfig(definition as never, environment);
    return [];
  } catch (error) {
    expect(error).toBeInstanceOf(ConfigError);
    return problemsOf(error).map(({ path }) => path);
  }
};

describe('a configuration', () => {
  it('is resolved with names of settings replaced and defaults filled in', () => {
    const { containers, settings } = resolveConfig(
      defineCache({ entities: { widget: entity({ source, ttl: '5m' }) } }),
      ENV,
    );
    expect(settings.WARMFEED_APP).toBe('warmfeed');
    const [container] = containers;
    expect(container?.source).toMatchObject({ database: 'shop', container: 'widgets', connectionName: 'COSMOS' });
    const [widget] = container?.entities ?? [];
    expect(widget).toMatchObject({ name: 'widget', notFoundTtlMs: 30_000, onChange: 'refresh', maxBytes: 1024 * 1024 });
    expect(widget?.ttlMs({})).toBe(300_000);
  });

  it('takes an identity instead of a connection string', () => {
    const { containers } = resolveConfig(
      { entities: { widget: entity({ source, ttl: '5m' }) } },
      {
        REDIS_URL: ENV.REDIS_URL,
        DB: 'shop',
        COSMOS__accountEndpoint: 'https://x.documents.example/',
        COSMOS__clientId: 'id',
      },
    );
    expect(containers[0]?.source.connection).toEqual({ endpoint: 'https://x.documents.example/', clientId: 'id' });
  });

  it('takes a schema of what is served that stands for itself', () => {
    const schemaOf = (schema: unknown) => ({ entities: { widget: { source, ttl: '5m', schema } } });
    expect(problems(schemaOf({ type: 'object', examples: [{}] }))).toEqual([]);
    for (const schema of ['object', null, [], { items: { $ref: '#/x' } }, { maximum: 1n }]) {
      expect(problems(schemaOf(schema))).toEqual(['entities.widget.schema']);
    }
  });

  it('groups entities by container', () => {
    const { containers } = resolveConfig(
      { entities: { a: entity({ source, ttl: '5m' }), b: entity({ source, ttl: '1m' }) } },
      ENV,
    );
    expect(containers.map(({ entities }) => entities.map(({ name }) => name))).toEqual([['a', 'b']]);
  });

  it('reports every problem at once, each with its path', () => {
    const definition = {
      entities: {
        'no name': { source, ttl: '5m' },
        widget: {
          source: { ...source, connection: 'NOPE', database: '%MISSING%', partitionKey: ['region'] },
          ttl: '5 minutes',
          staleFor: 5,
          notFoundTtl: '0s',
          onChange: 'sometimes',
          maxBytes: 'lots',
          revision: 0,
          match: 'x',
          http: { maxAge: 'x', sMaxAge: '1s' },
          colour: 'red',
        },
        gadget: { source: { kind: 'file' }, ttl: '1s' },
      },
    };
    expect(problems(definition, { ...ENV, REDIS_URL: 'localhost', WARMFEED_WAIT: 'NaN' }).toSorted()).toEqual(
      [
        'REDIS_URL',
        'WARMFEED_WAIT',
        'entities.no name',
        ...['source.connection', 'source.database', 'source.partitionKey', 'ttl', 'staleFor', 'notFoundTtl'].map(
          (path) => `entities.widget.${path}`,
        ),
        ...['onChange', 'maxBytes', 'revision', 'match', 'http.maxAge', 'http.sMaxAge', 'colour'].map(
          (path) => `entities.widget.${path}`,
        ),
        'entities.gadget.source',
      ].toSorted(),
    );
    expect(problems({ entities: {} })).toEqual(['entities']);
    const other = cosmos({ connection: 'COSMOS', database: 'shop', container: 'widgets', partitionKey: ['/id'] });
    expect(problems({ entities: { a: { source, ttl: '1s' }, b: { source: other, ttl: '1s' } } })).toEqual([
      'entities.b.source.partitionKey',
    ]);
  });

  it('never repeats a value in a problem: it may be a secret', () => {
    try {
      resolveConfig(
        { entities: { a: entity({ source, ttl: '1s' }) } },
        { ...ENV, COSMOS: 'secret', REDIS_URL: 'secret' },
      );
      expect.unreachable();
    } catch (error) {
      expect(String(error)).not.toContain('secret');
    }
  });

  it('has another fingerprint when the meaning of records changes, and only then', () => {
    const print = (over: object) => {
      const definition = { entities: { a: { source, ttl: '5m', ...over } } };
      return resolveConfig(definition as never, ENV).containers[0]?.entities[0]?.fingerprint;
    };
    expect(print({})).toEqual(print({ onChange: 'evict', http: { maxAge: '1s' } }));
    expect(print({ revision: 2 })).not.toEqual(print({}));
    expect(print({ ttl: '6m' })).not.toEqual(print({}));
  });

  it('says what is wrong with a ttl that a function gives', () => {
    const { containers } = resolveConfig({ entities: { a: entity({ source, ttl: () => 'soon' as never }) } }, ENV);
    expect(() => containers[0]?.entities[0]?.ttlMs({})).toThrow('duration');
  });
});

/** Checked by the compiler, never run: a wrong option does not compile. */
export function doesNotCompile(): void {
  // @ts-expect-error a duration has a unit
  entity({ source, ttl: '5' });
  // @ts-expect-error unknown policy
  entity({ source, ttl: '5m', onChange: 'sometimes' });
  // @ts-expect-error a size has a unit
  entity({ source, ttl: '5m', maxBytes: 512 });
  // @ts-expect-error unknown option
  entity({ source, ttl: '5m', colour: 'red' });
  // @ts-expect-error a path begins with a slash
  cosmos({ connection: 'COSMOS', database: 'd', container: 'c', partitionKey: ['country'] });
  const cache = defineCache({ entities: { widget: entity({ source, ttl: '5m' }) } });
  // @ts-expect-error names of entities are literals
  void cache.entities.gadget;
}

describe('settings', () => {
  it('C127: what is no boolean, number or duration is a problem, not a surprise', () => {
    const bad = [
      ['WARMFEED_FEED_FROM_BEGINNING', 'yes'],
      ['WARMFEED_FEED_BATCH', '1e3'],
      ['WARMFEED_FEED_BATCH', '-5'],
      ['WARMFEED_LEASE', 'abc'],
      ['WARMFEED_LEASE', '60'],
      ['WARMFEED_LEASE', 'Infinity'],
      ['WARMFEED_JITTER', '1.5'],
      ['WARMFEED_APP', 'a:b'],
      ['WARMFEED_CLIENT_DIRECTIVES', 'no'],
    ] as const;
    for (const [name, value] of bad) {
      const found: { path: string }[] = [];
      readSettings({ ...ENV, [name]: value }, found as never);
      expect(found.map(({ path }) => path)).toEqual([name]);
    }
    const fine = readSettings({ ...ENV, WARMFEED_FEED_FROM_BEGINNING: ' False ', WARMFEED_LEASE: '' }, []);
    expect(fine).toMatchObject({ WARMFEED_FEED_FROM_BEGINNING: false, WARMFEED_LEASE: 10_000 });
  });

  it('C131: two apps, sites or slots never share leases by default', () => {
    const of = (environment: Record<string, string>) =>
      leasePrefix(readSettings({ ...ENV, ...environment }, []), environment);
    const prefixes = [
      {},
      { WARMFEED_APP: 'b' },
      { WEBSITE_SITE_NAME: 's' },
      { WEBSITE_SITE_NAME: 's', WEBSITE_SLOT_NAME: 'x' },
    ];
    expect(new Set(prefixes.map((environment) => of(environment as never))).size).toBe(4);
  });

  it('are exactly those of docs/settings.md', () => {
    const page = readFileSync(new URL('../../docs/settings.md', import.meta.url), 'utf8');
    const rows = [...page.matchAll(/^\| `(\w+)` \| (.*?) \| (.*?) \|$/gm)].map((row) => row.slice(1));
    const expected = Object.entries(SETTINGS).map(([name, { fallback, meaning }]) => [
      name,
      fallback === undefined ? 'required' : fallback === '' ? 'none' : `\`${fallback}\``,
      meaning,
    ]);
    expect(rows.filter(([name]) => name !== undefined && name in SETTINGS)).toEqual(expected);
  });
});

describe('sessions', () => {
  const entities = { widget: entity({ source, ttl: '5m' }) };
  const durable = cosmosContainer({ connection: 'COSMOS', database: '%DB%', container: 'sessions' });
  const resolved = (sessions?: object) => resolveConfig({ entities, sessions } as never, ENV).sessions;

  it('are none unless they are said, and have defaults', () => {
    expect(resolved()).toBeUndefined();
    expect(resolved({ ttl: '20m' })).toEqual({
      life: { ttlMs: 1_200_000, absoluteMs: 86_400_000 },
      maxBytes: 65_536,
      subject: undefined,
      durable: undefined,
    });
    expect(resolved({ ttl: '30d' })?.life.absoluteMs).toBe(30 * 86_400_000);
    expect(resolved({ ttl: '1h', durable })?.durable).toMatchObject({ database: 'shop', container: 'sessions' });
  });

  it('report every problem with its path', () => {
    const of = (sessions: unknown) => problems({ entities, sessions });
    expect(of({})).toEqual(['sessions.ttl']);
    expect(of('20m')).toEqual(['sessions']);
    expect(of(null)).toEqual(['sessions']);
    expect(of({ ttl: '0s', absolute: 'x', maxBytes: 64, subject: 'userId', durable: source, tll: 1 })).toEqual([
      'sessions.tll',
      'sessions.subject',
      'sessions.maxBytes',
      'sessions.ttl',
      'sessions.absolute',
      'sessions.durable',
    ]);
    expect(of({ ttl: '2h', maxBytes: '2mb', durable })).toEqual(['sessions.maxBytes']);
    expect(of({ ttl: '2h', maxBytes: '2mb' })).toEqual([]);
    expect(of({ ttl: '2h', absolute: '1h' })).toEqual(['sessions.absolute']);
    expect(of({ ttl: '2h', absolute: '4000d' })).toEqual(['sessions.absolute']);
    expect(of({ ttl: '2h', durable: { ...durable, connection: 'NONE', container: '%NONE%' } })).toEqual([
      'sessions.durable.connection',
      'sessions.durable.container',
    ]);
  });
});

describe('units', () => {
  it('are read strictly', () => {
    expect(['250ms', '30s', '1.5m', '1h', '7d'].map(parseDuration)).toEqual([
      250, 30_000, 90_000, 3_600_000, 604_800_000,
    ]);
    expect(['', '5', 's', '-1s', '1 s', '1w', 5, undefined].map(parseDuration)).toEqual(Array(8).fill(undefined));
    expect(['100b', '64kb', '2mb', '1gb'].map(parseSize)).toEqual([100, 65_536, 2_097_152, undefined]);
  });
});
