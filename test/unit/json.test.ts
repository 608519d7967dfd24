import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { utf8 } from '../../src/core/bytes.ts';
import type { WarmfeedError } from '../../src/core/errors.ts';
import { MAX_DEPTH, mergePatch, parseObject, textOf } from '../../src/core/json.ts';

const parse = (text: string) => parseObject(utf8(text), 'the body').value;
const says = (text: string | Uint8Array) => {
  try {
    parseObject(typeof text === 'string' ? utf8(text) : text, 'the body');
    return 'nothing';
  } catch (error) {
    expect((error as WarmfeedError).code).toBe('BAD_REQUEST');
    return (error as WarmfeedError).message;
  }
};

describe('a JSON object', () => {
  it('any object there is comes through, and its bytes stay', () => {
    const pieces = ['a', '"', '\\', ':', '{', '\u0000', 'é', '\u{1F600}', '\uD800', '__proto__'];
    const texts = fc.array(fc.constantFrom(...pieces), { maxLength: 5 }).map((parts) => parts.join(''));
    const objects = fc.dictionary(texts, fc.oneof(texts, fc.jsonValue({ maxDepth: 3 })), { maxKeys: 5 });
    fc.assert(
      fc.property(objects, (object) => {
        const text = JSON.stringify(object, undefined, 1);
        const sent = utf8(text);
        const { bytes, value } = parseObject(sent, 'the body');
        expect(bytes).toBe(sent);
        expect(JSON.stringify(value)).toBe(JSON.stringify(JSON.parse(text)));
      }),
    );
  });

  it('never another error than its own, whatever the bytes', () => {
    const pieces = fc.constantFrom(
      '{',
      '}',
      '[',
      ']',
      '"a"',
      ':',
      ',',
      '1',
      '\\',
      '"',
      ' ',
      'null',
      '-',
      '\uFEFF',
      '1e999',
    );
    fc.assert(
      fc.property(fc.array(pieces, { maxLength: 20 }), (parts) => {
        const text = parts.join('');
        const refused = says(text) !== 'nothing';
        let isObject = false;
        try {
          const value: unknown = JSON.parse(text);
          isObject = typeof value === 'object' && value !== null && !Array.isArray(value);
        } catch {
          // no JSON
        }
        if (!isObject) expect(refused).toBe(true);
      }),
    );
    fc.assert(fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => void says(bytes)));
  });

  it('a name twice is refused at every level and however it is written, and no text is taken for a name', () => {
    expect(says('{"a":{"b":[{"c":1,"d":{},"c":2}]}}')).toMatch(/"c" twice/);
    expect(says('{"\\u0061":1,"a":1}')).toMatch(/twice/);
    expect(says('{"":1 , "" :1}')).toMatch(/twice/);
    expect(says('{"__proto__":1,"__proto__":1}')).toMatch(/twice/);
    expect(says('{"a":"a","b":["a","a"],"c":{"a":1},"d":{"a":"\\"a\\":"}}')).toBe('nothing');
    expect(says('{"a\\\\":1,"a\\"":2,"a":3}')).toBe('nothing');
  });

  it('is as deep as is allowed, and no deeper, and that is found fast', () => {
    const nested = (depth: number) => `${'{"a":'.repeat(depth)}1${'}'.repeat(depth)}`;
    expect(says(nested(MAX_DEPTH))).toBe('nothing');
    expect(says(nested(MAX_DEPTH + 1))).toMatch(/deep/);
    expect(says(`{"a":${'['.repeat(100_000)}${']'.repeat(100_000)}}`)).toMatch(/deep/);
    expect(says('['.repeat(100_000))).toMatch(/not JSON/);
    expect(says(`{"a":"${'x'.repeat(2_000_000)}${'\\"'.repeat(500_000)}"}`)).toBe('nothing');
  });

  it('numbers keep their digits', () => {
    expect(says('{"a":9007199254740991,"b":-9007199254740991,"c":0.1,"d":1e21,"e":-0,"f":100000000000000000000}')).toBe(
      'nothing',
    );
    for (const number of ['9007199254740993', '-12345678901234567890', '1e999', '-1e999']) {
      expect(says(`{"a":[${number}]}`)).toMatch(/digits/);
    }
  });

  it('what is wrong never quotes the text', () => {
    expect(says('{"secret": oops}')).not.toContain('secret');
    expect(says('{"secret": oops}')).not.toContain('oops');
  });
});

describe('a merge patch', () => {
  // RFC 7396, appendix A: all of it.
  it.each([
    ['{"a":"b"}', '{"a":"c"}', '{"a":"c"}'],
    ['{"a":"b"}', '{"b":"c"}', '{"a":"b","b":"c"}'],
    ['{"a":"b"}', '{"a":null}', '{}'],
    ['{"a":"b","b":"c"}', '{"a":null}', '{"b":"c"}'],
    ['{"a":["b"]}', '{"a":"c"}', '{"a":"c"}'],
    ['{"a":"c"}', '{"a":["b"]}', '{"a":["b"]}'],
    ['{"a":{"b":"c"}}', '{"a":{"b":"d","c":null}}', '{"a":{"b":"d"}}'],
    ['{"a":[{"b":"c"}]}', '{"a":[1]}', '{"a":[1]}'],
    ['["a","b"]', '["c","d"]', '["c","d"]'],
    ['{"a":"b"}', '["c"]', '["c"]'],
    ['{"a":"foo"}', 'null', 'null'],
    ['{"a":"foo"}', '"bar"', '"bar"'],
    ['{"e":null}', '{"a":1}', '{"e":null,"a":1}'],
    ['[1,2]', '{"a":"b","c":null}', '{"a":"b"}'],
    ['{}', '{"a":{"bb":{"ccc":null}}}', '{"a":{"bb":{}}}'],
  ])('%s patched with %s is %s', (target, patch, result) => {
    expect(JSON.stringify(mergePatch(JSON.parse(target), JSON.parse(patch)))).toBe(result);
  });

  it('is done after it was done', () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.jsonValue(), (target, patch) => {
        const once = mergePatch(target, patch);
        expect(mergePatch(once, patch)).toEqual(once);
      }),
    );
  });

  it('leaves no null that it brought, and touches nothing it does not name', () => {
    fc.assert(
      fc.property(
        fc.dictionary(fc.string(), fc.integer()),
        fc.dictionary(fc.string(), fc.option(fc.integer())),
        (a, b) => {
          const merged = new Map(Object.entries(mergePatch(a, b) as object));
          for (const [name, value] of Object.entries(b)) expect(merged.get(name)).toBe(value ?? undefined);
          for (const [name, value] of Object.entries(a))
            if (!Object.hasOwn(b, name)) expect(merged.get(name)).toBe(value);
        },
      ),
    );
  });

  it('does not reach prototypes', () => {
    const merged = mergePatch(
      {},
      JSON.parse('{"__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":1}}}'),
    );
    expect(JSON.stringify(merged)).toBe('{"__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":1}}}');
    expect(({} as Record<string, unknown>)['polluted']).toBeUndefined();
    expect(Object.getPrototypeOf(merged)).toBe(Object.prototype);
  });

  it('has the bytes of its object', () => {
    expect(Buffer.from(textOf(parse('{ "a" : [] }')).bytes).toString()).toBe('{"a":[]}');
  });
});
