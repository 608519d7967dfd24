// JSON objects that clients send, strictly: whatever a parser would drop, round or guess at is refused with its
// reason (RFC 8259, RFC 7493). And how one is patched with another (RFC 7396).

import { utf8 } from './bytes.ts';
import { messageOf, WarmfeedError } from './errors.ts';

export type JsonObject = Readonly<Record<string, unknown>>;

/** An object with the bytes that stand for it. */
export interface JsonText {
  readonly bytes: Uint8Array;
  readonly value: JsonObject;
}

/** Deeper nesting serves nobody, and every program that walks it would need its own limit. */
export const MAX_DEPTH = 64;

const strict = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
/** Of valid JSON: a string, with the colon that makes it a member's name; a bracket; a number. */
const TOKENS = /"[^"\\]*(?:\\.[^"\\]*)*"(\s*:)?|[{}[\]]|-?\d[\d.eE+-]*/g;

/**
 * @param what how messages name it: `the body`
 * @throws WarmfeedError BAD_REQUEST: no UTF-8, a byte-order mark, no JSON, no object, a member named twice, nested
 * too deeply, or a number that would lose digits
 */
export function parseObject(bytes: Uint8Array, what: string): JsonText {
  const text = decode(bytes, what);
  if (text.startsWith('\uFEFF')) throw bad(`${what} begins with a byte-order mark`);
  if (text.trim() === '') throw bad(`${what} is empty; a JSON object is expected`);
  const value = parse(text, what);
  check(text, what);
  if (!isObject(value)) throw bad(`${what} must be a JSON object`);
  return { bytes, value };
}

function decode(bytes: Uint8Array, what: string): string {
  try {
    return strict.decode(bytes);
  } catch {
    throw bad(`${what} is not valid UTF-8`);
  }
}

function parse(text: string, what: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    // The engine's own message quotes the text, which is the session's.
    const at = /position (\d+)/.exec(messageOf(error))?.[1];
    throw bad(`${what} is not JSON${at === undefined ? '' : ` (at character ${at})`}`);
  }
}

/** What JSON.parse lets pass, in a text that it has passed. */
function check(text: string, what: string): void {
  const open: (Set<string> | undefined)[] = [];
  for (const [token, colon] of text.matchAll(TOKENS)) {
    if (token === '{' || token === '[') {
      open.push(token === '{' ? new Set() : undefined);
      if (open.length > MAX_DEPTH) throw bad(`${what} is nested more than ${MAX_DEPTH} levels deep`);
    } else if (token === '}' || token === ']') open.pop();
    else if (!token.startsWith('"')) checkNumber(token, what);
    else if (colon !== undefined) checkName(open.at(-1), token.slice(0, -colon.length), what);
  }
}

function checkName(names: Set<string> | undefined, token: string, what: string): void {
  const name = JSON.parse(token) as string;
  if (names?.has(name)) throw bad(`${what} names the member ${JSON.stringify(name.slice(0, 100))} twice`);
  names?.add(name);
}

function checkNumber(token: string, what: string): void {
  const number = Number(token);
  if (Number.isFinite(number) && (!/^-?\d+$/.test(token) || Number.isSafeInteger(number))) return;
  throw bad(`${what} has a number that would lose digits (${token.slice(0, 40)}): send it as text`);
}

/** RFC 7396. Members of `patch` replace, merge into or, where null, remove those of `target`. */
export function mergePatch(target: unknown, patch: unknown): unknown {
  if (!isObject(patch)) return patch;
  // A map, not an object: `__proto__` is a name like every other.
  const members = new Map(isObject(target) ? Object.entries(target) : []);
  for (const [name, value] of Object.entries(patch)) {
    if (value === null) members.delete(name);
    else members.set(name, mergePatch(members.get(name), value));
  }
  return Object.fromEntries(members);
}

export function textOf(value: JsonObject): JsonText {
  return { bytes: utf8(JSON.stringify(value)), value };
}

export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function bad(message: string): WarmfeedError {
  return new WarmfeedError('BAD_REQUEST', message);
}
