// JSON forms of PostgreSQL values (docs/values.md), out of the server's text. No digit is lost and no date passes
// through a JavaScript Date.

import { parse as parseArray } from 'postgres-array';
import { parseExactly } from './exact-json.ts';

type Decode = (text: string) => unknown;

const asText: Decode = (text) => text;

/** NaN and the infinities are texts, as JSON has none. */
const asNumber: Decode = (text) => {
  const value = Number(text);
  return Number.isFinite(value) ? value : text;
};

const asTimestamp: Decode = (text) => text.replace(/^(\d+-\d\d-\d\d) /, '$1T');
/** The session's time zone is UTC. */
const asInstant: Decode = (text) => text.replace(/^(\d+-\d\d-\d\d) (.*)\+00( BC)?$/, '$1T$2Z$3');

/** `$1,234.50` and `-$1,234.50`, the form of `lc_monetary=C`. */
const asMoney: Decode = (text) => text.replace(/[$,]/g, '');

const asBase64: Decode = (text) => Buffer.from(text.slice(2), 'hex').toString('base64');

/** By type OID (src/include/catalog/pg_type.dat); every other type is served as its text. */
const SCALARS: ReadonlyMap<number, Decode> = new Map<number, Decode>([
  [16, (text) => text === 't'],
  [17, asBase64],
  [20, asText],
  [21, asNumber],
  [23, asNumber],
  [26, asNumber],
  [114, parseExactly],
  [3802, parseExactly],
  [700, asNumber],
  [701, asNumber],
  [790, asMoney],
  [1114, asTimestamp],
  [1184, asInstant],
]);

/** Array types that are no text, and the type of their elements. */
const ARRAYS: ReadonlyMap<number, number> = new Map([
  [1000, 16],
  [1001, 17],
  [1016, 20],
  [1005, 21],
  [1007, 23],
  [1028, 26],
  [199, 114],
  [3807, 3802],
  [1021, 700],
  [1022, 701],
  [791, 790],
  [1115, 1114],
  [1185, 1184],
  // Texts: bpchar, varchar, text, name, uuid, date, time, timetz, interval, numeric, bit, varbit, inet, cidr, macaddr.
  ...[1014, 1015, 1009, 1003, 2951, 1182, 1183, 1270, 1187, 1231, 1561, 1563, 1041, 651, 1040].map(
    (oid): [number, number] => [oid, 25],
  ),
]);

/** @param oid type of the value */
export function valueOf(oid: number, text: string | null): unknown {
  if (text === null) return null;
  const element = ARRAYS.get(oid);
  const decode = SCALARS.get(element ?? oid) ?? asText;
  // `[2:3]={…}` tells bounds, which JSON has not.
  return element === undefined ? decode(text) : parseArray(text.replace(/^[^{]*=/, ''), decode);
}
