// A script's header, its entry in the registry and its text say the same about KEYS and ARGV.

import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { SCRIPTS } from '../../src/redis/scripts.ts';

const FOLDER = new URL('../../src/redis/lua/', import.meta.url);
/** No script of its own: what those on records begin with. */
const SHARED = 'record.lua';
const files = readdirSync(FOLDER).filter((file) => file !== SHARED);
const scripts = files.map((file) => {
  const text = readFileSync(new URL(file, FOLDER), 'utf8');
  const lines = text.split('\n');
  const head = lines.slice(
    0,
    lines.findIndex((line) => !line.startsWith('--')),
  );
  return { name: file.replace('.lua', ''), text, head, body: lines.slice(head.length).join('\n') };
});

/** The highest n of `KEYS[n]` or `ARGV[n]`. */
function highest(name: 'KEYS' | 'ARGV', text: string): number {
  const found = Array.from(text.matchAll(new RegExp(`${name}\\[(\\d+)\\]`, 'g')), ([, n]) => Number(n));
  return Math.max(0, ...found);
}

test('every file is registered, and the other way round', () => {
  expect(scripts.map(({ name }) => name).toSorted()).toEqual(Object.keys(SCRIPTS).toSorted());
});

describe.each(scripts)('$name.lua', ({ name, text, head, body }) => {
  const registered = SCRIPTS[name as keyof typeof SCRIPTS];

  test('the header tells purpose, KEYS, ARGV and replies', () => {
    expect(head[0]).toMatch(/^-- [A-Z]+: \S/);
    expect(head.filter((line) => line.startsWith('-- KEYS[1] '))).toHaveLength(1);
    expect(head.filter((line) => line.startsWith('-- ARGV[1] '))).toHaveLength(1);
    expect(head.filter((line) => line.startsWith('-- Returns '))).toHaveLength(1);
  });

  test('header, registry and text agree', () => {
    expect(highest('KEYS', body)).toBe(1);
    expect(highest('KEYS', head.join('\n'))).toBe(1);
    expect(registered.lua.match(/KEYS\[/g)?.length).toBe(registered.lua.match(/KEYS\[1\]/g)?.length);
    if (registered.args === undefined) return;
    expect([highest('ARGV', head.join('\n')), highest('ARGV', body)]).toEqual([registered.args, registered.args]);
    for (let n = 1; n <= registered.args; n++) expect(body).toContain(`ARGV[${n}]`);
  });

  test('is short', () => {
    expect(text.trimEnd().split('\n').length).toBeLessThan(40);
    expect(text.split('\n').filter((line) => line.length > 120)).toEqual([]);
  });

  test('every command is one on KEYS[1], or TIME', () => {
    for (const [, call] of registered.lua.matchAll(/redis\.p?call\(([^)]*)/g))
      expect(call).toMatch(/^'TIME'|^'[A-Z]+', KEYS\[1\]/);
  });

  test('what is sent has no comments left', () => {
    expect(registered.lua).toMatch(/^(local |redis\.call|if )/);
    expect(registered.lua).not.toMatch(/^--/m);
  });
});

test('the scripts on records read one in the same way', () => {
  const shared = readFileSync(new URL(SHARED, FOLDER), 'utf8').replace(/^--.*\n/gm, '');
  const reading = scripts.filter(({ body }) => body.includes('read(KEYS)')).map(({ name }) => name);
  expect(reading).toEqual(['fill', 'invalidate', 'lease', 'release', 'soften']);
  for (const { name, body } of scripts) {
    const whole = reading.includes(name) ? `${shared}${body}` : body;
    expect(SCRIPTS[name as keyof typeof SCRIPTS].lua).toBe(whole.replace(/^--.*\n/gm, ''));
  }
});
