// No case from the field is forgotten: docs/cases.md names each of the collection with its test or a reason, and the tests
// are there.

import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';

/** The collection, so that no row of the page can be lost. */
const CASES =
  '01 03 06 08 09 11 13 16 17 20 21 23 26 27 29 31 34 35 38 39 40 44 46 47 49 51 54 57 58 60 63 65 67 69 71 76 77 79 81 83 85 90 ' +
  '91 92 94 96 98 100 102 104 108 110 111 112 115 116 121 122 126 127 131 133 134';
const INPUTS = '01 03 05 06 08 09 11 13 14 16 17 19 21 23 25 26 29 30 33 34 36 37 38 40';
const IDS = [...CASES.split(' ').map((n) => `C${n}`), ...INPUTS.split(' ').map((n) => `T${n}`)];

const TESTS = new URL('../', import.meta.url);
const PAGE = readFileSync(new URL('../docs/cases.md', TESTS), 'utf8');
const ROWS = [...PAGE.matchAll(/^\| ([CT]\d+) \| (.+?) \| (.+?) \|$/gm)].map(([, id = '', what = '', where = '']) => ({
  id,
  what,
  where,
  files: [...where.matchAll(/`([^`]+\.ts)`/g)].map(([, file = '']) => file),
}));

/** The first argument of `it`, `test`, `describe`, and of what `.each` gives. */
const TITLE = /(?:\b(?:it|test|describe)(?:\.\w+)*|[\])])\(\s*(['"`])((?:(?!\1).)*)\1/g;

function idsIn(file: string): string[] {
  const titles = [...readFileSync(new URL(file, TESTS), 'utf8').matchAll(TITLE)].map(([, , title = '']) => title);
  return titles.flatMap((title) => title.match(/\b[CT]\d{2,3}\b/g) ?? []);
}

describe('docs/cases.md', () => {
  it('has every case once, with what it is', () => {
    expect(IDS).toHaveLength(87);
    expect(ROWS.map(({ id }) => id)).toEqual(IDS);
    for (const { what } of ROWS) expect(what).not.toBe('');
  });

  it('names tests that have the case in a title, or says why there is none', () => {
    for (const { id, where, files } of ROWS) {
      if (files.length === 0) expect([id, where]).toEqual([id, expect.stringMatching(/\S \S/)]);
      for (const file of files) expect([id, file, idsIn(file).includes(id)]).toEqual([id, file, true]);
    }
  });

  it('knows the cases that the tests name', () => {
    const all = readdirSync(TESTS, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.test.ts'));
    const named = new Set(all.flatMap((file) => idsIn(file)));
    expect([...named].filter((id) => !IDS.includes(id))).toEqual([]);
    expect(IDS.filter((id) => !named.has(id)).toSorted()).toEqual(
      ROWS.filter(({ files }) => files.length === 0)
        .map(({ id }) => id)
        .toSorted(),
    );
  });
});
