/** The built-in scalar functions that queries may call. A wrong argument type gives undefined, never an error. */
import { equal, includes, typeOf } from './values.ts';

interface Signature {
  least: number;
  most: number;
  call: (args: unknown[]) => unknown;
}

type Kind = 'any' | 'array' | 'boolean' | 'number' | 'string';
interface Types {
  array: unknown[];
  boolean: boolean;
  number: number;
  string: string;
  any: unknown;
}
type Arguments<K extends Kind[]> = { [I in keyof K]: Types[K[I] & Kind] };

/** `optional` of the last kinds may be left out. */
const define =
  <K extends Kind[]>(...kinds: K) =>
  (body: (...args: Arguments<K>) => unknown, optional = 0): Signature => ({
    least: kinds.length - optional,
    most: kinds.length,
    call: (args) =>
      args.every((value, index) => kinds[index] === 'any' || typeOf(value) === kinds[index])
        ? body(...(args as Arguments<K>))
        : undefined,
  });

const variadic = (least: number, call: (args: unknown[]) => unknown): Signature => ({
  least,
  most: Number.POSITIVE_INFINITY,
  call,
});

const finite = (value: number): number | undefined => (Number.isFinite(value) ? value : undefined);
const math = (body: (value: number) => number): Signature => define('number')((value) => finite(body(value)));
const text = (body: (value: string) => unknown): Signature => define('string')(body);
const is = (test: (value: unknown) => boolean): Signature => define('any')(test);
const test = (body: (a: string, b: string) => boolean): Signature =>
  define(
    'string',
    'string',
    'boolean',
  )((a, b, ignoreCase) => (ignoreCase ? body(a.toLowerCase(), b.toLowerCase()) : body(a, b)), 1);
const slice = (value: string, start: number, length: number): string =>
  value.substring(Math.max(start, 0), Math.max(start, 0) + Math.max(length, 0));

const regex = (value: string, pattern: string, flags = ''): boolean | undefined => {
  if (/[^msix]/.test(flags)) return undefined;
  const source = flags.includes('x') ? pattern.replaceAll(/\s/g, '') : pattern;
  return new RegExp(source, flags.replaceAll('x', '')).test(value);
};

const toText = (value: unknown): string | undefined => {
  if (value === undefined) return undefined;
  return typeof value === 'string' ? value : JSON.stringify(value);
};

const primitive = new Set(['null', 'boolean', 'number', 'string']);
const contains = (list: unknown[], value: unknown): boolean => list.some((one) => equal(one, value) === true);
const all = (args: unknown[], type: string): boolean => args.every((value) => typeOf(value) === type);

/** Cosmos DB rounds halves away from zero. */
const round = (value: number): number => Math.sign(value) * Math.round(Math.abs(value));

export const functions: Record<string, Signature> = {
  ABS: math(Math.abs),
  CEILING: math(Math.ceil),
  EXP: math(Math.exp),
  FLOOR: math(Math.floor),
  LOG: math(Math.log),
  LOG10: math(Math.log10),
  PI: define()(() => Math.PI),
  POWER: define('number', 'number')((a, b) => finite(a ** b)),
  ROUND: math(round),
  SIGN: math(Math.sign),
  SQRT: math(Math.sqrt),
  SQUARE: math((value) => value * value),
  TRUNC: math(Math.trunc),

  CONCAT: variadic(2, (args) => (all(args, 'string') ? args.join('') : undefined)),
  CONTAINS: test((a, b) => a.includes(b)),
  ENDSWITH: test((a, b) => a.endsWith(b)),
  INDEX_OF: define('string', 'string')((a, b) => a.indexOf(b)),
  LEFT: define('string', 'number')((a, count) => slice(a, 0, count)),
  LENGTH: text((value) => value.length),
  LOWER: text((value) => value.toLowerCase()),
  LTRIM: text((value) => value.trimStart()),
  REGEXMATCH: define('string', 'string', 'string')(regex, 1),
  REPLACE: define('string', 'string', 'string')((a, b, c) => (b === '' ? a : a.replaceAll(b, () => c))),
  REPLICATE: define('string', 'number')((a, count) => (count >= 0 && count <= 10_000 ? a.repeat(count) : undefined)),
  REVERSE: text((value) => Array.from(value).toReversed().join('')),
  RIGHT: define('string', 'number')((a, count) => (count <= 0 ? '' : a.slice(-count))),
  RTRIM: text((value) => value.trimEnd()),
  STARTSWITH: test((a, b) => a.startsWith(b)),
  STRINGEQUALS: test((a, b) => a === b),
  SUBSTRING: define('string', 'number', 'number')(slice),
  TOSTRING: define('any')(toText),
  TRIM: text((value) => value.trim()),
  UPPER: text((value) => value.toUpperCase()),

  IS_ARRAY: is((value) => typeOf(value) === 'array'),
  IS_BOOL: is((value) => typeOf(value) === 'boolean'),
  IS_DEFINED: is((value) => value !== undefined),
  IS_INTEGER: is((value) => Number.isInteger(value)),
  IS_NULL: is((value) => value === null),
  IS_NUMBER: is((value) => typeOf(value) === 'number'),
  IS_OBJECT: is((value) => typeOf(value) === 'object'),
  IS_PRIMITIVE: is((value) => primitive.has(typeOf(value))),
  IS_STRING: is((value) => typeOf(value) === 'string'),

  ARRAY_CONCAT: variadic(2, (args) => (all(args, 'array') ? args.flat(1) : undefined)),
  ARRAY_CONTAINS: define(
    'array',
    'any',
    'boolean',
  )((list, value, partial) => (partial ? list.some((one) => includes(one, value)) : contains(list, value)), 1),
  ARRAY_CONTAINS_ALL: variadic(2, ([list, ...values]) =>
    Array.isArray(list) ? values.every((value) => contains(list, value)) : undefined,
  ),
  ARRAY_CONTAINS_ANY: variadic(2, ([list, ...values]) =>
    Array.isArray(list) ? values.some((value) => contains(list, value)) : undefined,
  ),
  ARRAY_LENGTH: define('array')((list) => list.length),
  ARRAY_SLICE: define(
    'array',
    'number',
    'number',
  )((list, start, count) => list.slice(start, count === undefined ? undefined : start + count), 1),
};

export const aggregates = new Set(['COUNT', 'SUM', 'MIN', 'MAX', 'AVG']);
