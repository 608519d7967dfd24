// The tables of docs/values.md as test cases: what the page says is what the tests run.

import { readFileSync } from 'node:fs';

export interface ValueCase {
  readonly column: string;
  /** A type of the database, or the name of one that `VALUE_TYPES` makes. */
  readonly type: string;
  /** An expression of SQL. */
  readonly value: string;
  readonly json: string;
}

/** Types of the page that a database does not bring along. */
export const VALUE_TYPES = `CREATE TYPE mood AS ENUM ('fine'); CREATE DOMAIN score AS bigint;
  CREATE TYPE pair AS (a int, b text);`;

const PAGE = new URL('../../docs/values.md', import.meta.url);

export function valueCases(section: 'PostgreSQL' | 'Azure SQL'): ValueCase[] {
  const page = readFileSync(PAGE, 'utf8');
  const table = page.split('\n## ').find((part) => part.startsWith(section)) ?? '';
  const rows = table.split('\n').filter((line) => /^\| .*`/.test(line));
  return rows.map((row, i) => {
    const [type = '', value = '', json = ''] = row.slice(2, -2).split(' | ');
    // `an enum, `mood`` names its type in the first code span.
    return {
      column: `c${i}`,
      type: /`([^`(]*)/.exec(type)?.[1] === 'pair ' ? 'pair' : code(type),
      value: code(value),
      json: code(json),
    };
  });
}

function code(cell: string): string {
  return /`(.*?)`/.exec(cell)?.[1] ?? '';
}

/** The JSON text of a row with all the values. */
export function bodyOf(cases: readonly ValueCase[], key: string): string {
  return `{${[key, ...cases.map(({ column, json }) => `"${column}":${json}`)].join(',')}}`;
}

export function createTable(name: string, key: string, cases: readonly ValueCase[]): string {
  return `CREATE TABLE ${name} (${[key, ...cases.map(({ column, type }) => `${column} ${type}`)].join(', ')})`;
}

/** @param key the value of the first column */
export function insertInto(name: string, key: string, cases: readonly ValueCase[]): string {
  return `INSERT INTO ${name} VALUES (${[key, ...cases.map(({ value }) => value)].join(', ')})`;
}
