// The algorithm of content with everything injected: a blob storage in memory, the memory store, a fake clock.

import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { hash64 } from '../../src/core/bytes.ts';
import {
  type Blob,
  type BlobSource,
  blobName,
  type Coding,
  type Content,
  contentKey,
  keysOfBlob,
  pack,
  unpack,
} from '../../src/core/content/content.ts';
import { createContentChanges } from '../../src/core/content/content-changes.ts';
import { createContentLoader } from '../../src/core/content/content-load.ts';
import { WarmfeedError } from '../../src/core/errors.ts';
import { redisKeys } from '../../src/core/key.ts';
import type { CacheEvent } from '../../src/core/ports.ts';
import { createGenerations } from '../../src/core/protocol/generations.ts';
import { NO_DIRECTIVES } from '../../src/core/read/policy.ts';
import { createReaderOf, type ReadAnswer } from '../../src/core/read/read.ts';
import { createMemoryStore } from '../support/memory-store.ts';

function createWorld() {
  let now = 1_700_000_000_000;
  const clock = {
    now: () => now,
    sleep: async (ms: number) => {
      now += ms;
      await new Promise(setImmediate);
    },
    deadline: () => new AbortController().signal,
  };
  const blobs = new Map<string, { blob: Blob; bytes: Uint8Array }>();
  const calls: string[] = [];
  const events: CacheEvent[] = [];
  let writes = 0;
  let tokens = 0;
  const world = {
    failing: false,
    /** Runs within every read of a blob, after its bytes were taken. */
    duringRead: undefined as (() => Promise<void>) | undefined,
  };
  function called(kind: string, name: string) {
    calls.push(`${kind} ${name}`);
    if (world.failing) throw new WarmfeedError('SOURCE_UNAVAILABLE', 'down', { retryable: true });
    return blobs.get(name);
  }
  const source: BlobSource = {
    name: 'blob/TEST/content',
    head: async (name) => called('head', name)?.blob,
    async read(name, { known, maxBytes }) {
      const found = called('read', name);
      await world.duringRead?.();
      if (found === undefined) return undefined;
      if (found.blob.etag === known) return 'unchanged';
      return { blob: found.blob, bytes: found.blob.size > maxBytes ? undefined : found.bytes };
    },
    slice: async () => 'changed',
    check: async () => undefined,
  };
  const content: Content = {
    name: 'content',
    source,
    fingerprint: hash64('content'),
    ttlMs: 60_000,
    staleForMs: 10_000,
    staleIfErrorMs: 600_000,
    notFoundTtlMs: 5000,
    maxBytes: 100,
  };
  const store = createMemoryStore({ now: () => now });
  const keys = redisKeys('test');

  function createProcess() {
    const generations = createGenerations({ store, key: keys.generations, clock, entities: [content], ttlMs: 1000 });
    const deps = {
      store,
      keys,
      generations,
      clock,
      observe: (event: CacheEvent) => events.push(event),
      entropy: {
        random: () => 0.5,
        token: () => hash64(`token ${++tokens}`),
        digest: (bytes: Uint8Array) => new Uint8Array(createHash('sha256').update(bytes).digest()).subarray(0, 12),
      },
      options: { leaseMs: 10_000, waitMs: 1000, provisionalMs: 1000, jitter: 0 },
    };
    const reader = createReaderOf(
      { ...deps, reloads: (work) => work(new AbortController().signal) },
      { load: createContentLoader(deps) },
    );
    return {
      changes: createContentChanges(content, deps),
      drain: () => reader.drain(),
      read: (path: string, ...preferred: Coding[]) =>
        reader.read({ entity: content, key: contentKey(path, preferred), directives: NO_DIRECTIVES }),
    };
  }

  return Object.assign(world, createProcess(), {
    process: createProcess,
    calls,
    events,
    advance: (ms: number) => {
      now += ms;
    },
    put(name: string, text: string, over: Partial<Blob> = {}) {
      const bytes = Buffer.from(text);
      const blob = {
        etag: `"${++writes}"`,
        size: bytes.length,
        modifiedMs: writes * 1000,
        type: 'text/plain',
        ...over,
      };
      blobs.set(name, { blob, bytes });
    },
    remove: (name: string) => blobs.delete(name),
    /** The calls of the source since the last time. */
    taken: () => calls.splice(0),
  });
}

/** How an answer came, and its text. */
function view(answer: ReadAnswer): [string, string | undefined] {
  if (answer.kind === 'not-cached') return ['not-cached', undefined];
  if (answer.kind === 'cached') {
    const { state, body } = answer.entry;
    return [answer.how, state === 'absent' ? undefined : Buffer.from(unpack(body).bytes).toString()];
  }
  const { value } = answer.represented;
  return [answer.how, value.state === 'absent' ? undefined : Buffer.from(unpack(value.body).bytes).toString()];
}

function descriptionOf(answer: ReadAnswer) {
  if (answer.kind === 'loaded' && answer.represented.value.state === 'value') {
    return unpack(answer.represented.value.body).description;
  }
  return answer.kind === 'cached' ? unpack(answer.entry.body).description : undefined;
}

describe('content', () => {
  it('is loaded once, then a hit', async () => {
    const world = createWorld();
    world.put('a', 'one');
    expect(view(await world.read('a'))).toEqual(['miss', 'one']);
    expect(view(await world.read('a'))).toEqual(['hit', 'one']);
    expect(world.taken()).toEqual(['read a']);
  });

  it('that is not there is remembered', async () => {
    const world = createWorld();
    expect(view(await world.read('a'))).toEqual(['miss', undefined]);
    world.put('a', 'one');
    expect(view(await world.read('a'))).toEqual(['hit', undefined]);
    world.advance(5001);
    expect(view(await world.read('a'))).toEqual(['miss', 'one']);
  });

  it('is asked for by its ETag once stale, and served meanwhile', async () => {
    const world = createWorld();
    world.put('a', 'one');
    await world.read('a');
    world.advance(60_001);
    world.taken();
    expect(view(await world.read('a'))).toEqual(['stale', 'one']);
    await world.drain();
    expect(world.taken()).toEqual(['read a']);
    expect(view(await world.read('a'))).toEqual(['hit', 'one']);
  });

  it('keeps its ETag when the same bytes are uploaded again', async () => {
    const world = createWorld();
    const etag = async () => {
      const answer = await world.read('a');
      return answer.kind === 'loaded' && answer.represented.value.state === 'value' && answer.represented.value.etag;
    };
    world.put('a', 'one');
    const first = await etag();
    world.put('a', 'one');
    await world.changes.dropBlobs(['a']);
    expect(await etag()).toEqual(first);
    world.put('a', 'one', { type: 'text/html' });
    await world.changes.dropBlobs(['a']);
    expect(await etag()).not.toEqual(first);
  });

  it('that is too large is described, not kept', async () => {
    const world = createWorld();
    world.put('a', 'x'.repeat(101));
    expect(descriptionOf(await world.read('a'))).toMatchObject({ large: true, size: 101, blob: 'a' });
    expect(view(await world.read('a'))).toEqual(['hit', '']);
    expect(world.taken()).toEqual(['read a']);
    world.advance(60_001);
    await world.read('a');
    await world.drain();
    expect(descriptionOf(await world.read('a'))).toMatchObject({ large: true, size: 101 });
    // It shrank: the bytes are wanted now.
    world.put('a', 'small');
    world.advance(60_001);
    await world.read('a');
    await world.drain();
    expect(view(await world.read('a'))).toEqual(['hit', 'small']);
  });

  it('outlives its storage for staleIfError', async () => {
    const world = createWorld();
    world.put('a', 'one');
    await world.read('a');
    world.failing = true;
    world.advance(300_000);
    expect(view(await world.read('a'))).toEqual(['stale-if-error', 'one']);
    world.advance(400_000);
    await expect(world.read('a')).rejects.toMatchObject({ code: 'SOURCE_UNAVAILABLE' });
  });
});

describe('variants', () => {
  it('are the best that the client prefers, with the type of their original', async () => {
    const world = createWorld();
    world.put('a.js', 'plain', { type: 'text/javascript' });
    world.put('a.js.br', 'BR', { type: 'application/octet-stream' });
    world.put('a.js.gz', 'GZ');
    expect(view(await world.read('a.js', 'br', 'gzip'))).toEqual(['miss', 'BR']);
    expect(view(await world.read('a.js', 'gzip', 'br'))).toEqual(['miss', 'GZ']);
    expect(view(await world.read('a.js', 'gzip'))).toEqual(['miss', 'GZ']);
    expect(view(await world.read('a.js'))).toEqual(['miss', 'plain']);
    const described = descriptionOf(await world.read('a.js', 'br', 'gzip'));
    expect(described).toMatchObject({ type: 'text/javascript', encoding: 'br', blob: 'a.js.br', size: 2 });
  });

  it('that do not exist leave the next best', async () => {
    const world = createWorld();
    world.put('a.js', 'plain');
    expect(view(await world.read('a.js', 'br', 'gzip'))).toEqual(['miss', 'plain']);
    world.put('a.js.gz', 'GZ');
    await world.changes.dropBlobs(['a.js.gz']);
    expect(view(await world.read('a.js', 'br', 'gzip'))).toEqual(['miss', 'GZ']);
  });

  it('C20: of nothing are nothing', async () => {
    const world = createWorld();
    world.put('ghost.css.gz', 'GZ');
    expect(view(await world.read('ghost.css', 'gzip'))).toEqual(['miss', undefined]);
    expect(view(await world.read('ghost.css'))).toEqual(['miss', undefined]);
  });

  it('are asked for in one round trip once stale', async () => {
    const world = createWorld();
    world.put('a.js', 'plain');
    world.put('a.js.br', 'BR');
    await world.read('a.js', 'br');
    world.taken();
    world.advance(60_001);
    await world.read('a.js', 'br');
    await world.drain();
    expect(world.taken()).toEqual(['head a.js.br', 'head a.js']);
    expect(view(await world.read('a.js', 'br'))).toEqual(['hit', 'BR']);
  });

  it('are not looked for where the file is compressed by nature', async () => {
    const world = createWorld();
    world.put('a.png', 'png');
    await world.read('a.png', 'br', 'gzip');
    await world.read('a.png');
    expect(world.taken()).toEqual(['read a.png']);
  });
});

describe('a changed blob', () => {
  it('is dropped, and so are the variants of it and what it is a variant of', async () => {
    const world = createWorld();
    world.put('a.js', 'one');
    await world.read('a.js');
    await world.read('a.js', 'br', 'gzip');
    world.put('a.js', 'two');
    await world.changes.dropBlobs(['a.js']);
    expect(view(await world.read('a.js'))).toEqual(['miss', 'two']);
    expect(view(await world.read('a.js', 'br', 'gzip'))).toEqual(['miss', 'two']);
    world.put('a.js.br', 'BR');
    await world.changes.dropBlobs(['a.js.br']);
    expect(view(await world.read('a.js', 'br', 'gzip'))).toEqual(['miss', 'BR']);
  });

  it('is not brought back by a load that began before its event', async () => {
    const world = createWorld();
    world.put('a', 'one');
    world.duringRead = async () => {
      world.duringRead = undefined;
      world.put('a', 'two');
      await world.changes.dropBlobs(['a']);
    };
    expect(view(await world.read('a'))).toEqual(['miss', 'one']);
    expect(world.events).toContainEqual(
      expect.objectContaining({ kind: 'fill', entity: 'content', by: 'read', outcome: 'lease' }),
    );
    expect(view(await world.process().read('a'))).toEqual(['miss', 'two']);
  });

  it('nor by a load whose lease ran out, when another has loaded since', async () => {
    const world = createWorld();
    world.put('a', 'one');
    const other = world.process();
    world.duringRead = async () => {
      world.duringRead = undefined;
      world.put('a', 'two');
      await world.changes.dropBlobs(['a']);
      expect(view(await other.read('a'))).toEqual(['miss', 'two']);
    };
    await world.read('a');
    expect(view(await world.read('a'))).toEqual(['hit', 'two']);
  });

  it('in a renamed folder makes all old', async () => {
    const world = createWorld();
    world.put('a', 'one');
    await world.read('a');
    world.put('a', 'two');
    await world.changes.dropAll();
    expect(view(await world.read('a'))).toEqual(['miss', 'two']);
  });

  it('is never hidden for good, in whatever order reads, writes and events come', async () => {
    const step = fc.oneof(
      fc.record({ do: fc.constant('write' as const) }),
      fc.record({ do: fc.constant('event' as const) }),
      fc.record({ do: fc.constant('read' as const), variant: fc.boolean(), eventWithin: fc.boolean(), by: fc.nat(1) }),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 25 }), async (steps) => {
        const world = createWorld();
        const processes = [world, world.process()];
        let version = 0;
        const write = () => world.put('a.js', `v${++version}`);
        write();
        for (const each of steps) {
          if (each.do === 'write') write();
          else if (each.do === 'event') await world.changes.dropBlobs(['a.js']);
          else {
            world.duringRead = async () => {
              world.duringRead = undefined;
              if (!each.eventWithin) return;
              write();
              await world.changes.dropBlobs(['a.js']);
            };
            await processes[each.by]?.read('a.js', ...(each.variant ? (['br'] as const) : []));
            world.duringRead = undefined;
          }
        }
        // The last write's event has come.
        await world.changes.dropBlobs(['a.js']);
        for (const each of processes) {
          expect(view(await each.read('a.js'))[1]).toBe(`v${version}`);
          expect(view(await each.read('a.js', 'br'))[1]).toBe(`v${version}`);
        }
      }),
      { numRuns: 200 },
    );
  });
});

describe('a record', () => {
  it('holds description and bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array(), fc.string(), (bytes, text) => {
        const description = { etag: text, size: 1, modifiedMs: 2, type: text, blob: text, large: false };
        const packed = unpack(pack(description, bytes));
        expect(packed.description).toEqual(description);
        expect([...packed.bytes]).toEqual([...bytes]);
      }),
    );
  });

  // Whoever changes this layout raises FORMAT, or old and new instances misread each other.
  it('has this layout', () => {
    const text = '{"blob":"a","etag":"e","size":2,"modifiedMs":3,"type":"t","large":false}';
    const body = Buffer.concat([Buffer.from([0, text.length]), Buffer.from(text), Buffer.from('xy')]);
    const { description, bytes } = unpack(body);
    expect(description).toEqual({ blob: 'a', etag: 'e', size: 2, modifiedMs: 3, type: 't', large: false });
    expect(Buffer.from(bytes).toString()).toBe('xy');
    expect(Buffer.from(pack(description, bytes)).equals(body)).toBe(true);
  });

  it('is found by every name that a blob has in it', () => {
    expect(keysOfBlob('a.png')).toEqual([['a.png', '']]);
    const keys = keysOfBlob('a.js.br').map(String);
    for (const codings of [[], ['br'], ['gzip'], ['br', 'gzip'], ['gzip', 'br']] as Coding[][]) {
      expect(keys).toContain(String(contentKey('a.js', codings)));
      expect(keys).toContain(String(contentKey('a.js.br', codings)));
    }
  });
});

describe('a path', () => {
  it.each([
    [['flags', 'fra.svg'], 'flags/fra.svg'],
    [['caf%C3%A9%20%3F%23%25.txt'], 'café ?#%.txt'],
    [['%252e%252e', 'a'], '%2e%2e/a'],
    [['..a', 'b..c'], '..a/b..c'],
  ])('%j is %s', (segments, name) => {
    expect(blobName(segments)).toBe(name);
  });

  it.each([
    [['..', 'a']],
    [['a', '%2e%2e', 'b']],
    [['%2E', 'a']],
    [['..%2fsecret.txt']],
    [['a%5cb']],
    [['a\\b']],
    [['', 'a']],
    [['a', '']],
    [['a%00b']],
    [['a%0d%0ab']],
    [['a%c2%85']],
    [['%ff']],
    [['%']],
    [['secret.txt.']],
    [['x'.repeat(1025)]],
  ])('%j is refused', (segments) => {
    expect(() => blobName(segments)).toThrowError(expect.objectContaining({ code: 'BAD_KEY' }));
  });

  it('never has a segment that a store could read as another', () => {
    fc.assert(
      fc.property(
        fc.array(fc.string({ unit: fc.constantFrom('.', '/', '%2e', '%2F', '%5C', 'a', '%') }), { minLength: 1 }),
        (segments) => {
          let name: string;
          try {
            name = blobName(segments);
          } catch {
            return;
          }
          expect(new URL(name.split('/').map(encodeURIComponent).join('/'), 'http://h/c/').pathname).toBe(
            `/c/${name.split('/').map(encodeURIComponent).join('/')}`,
          );
          expect(name.split('/').length).toBe(segments.length);
        },
      ),
    );
  });
});
