// Statuses and headers of static content: what http.ts is for everything else (RFC 9110 sections 12 to 15).

import { randomUUID } from 'node:crypto';
import type { HttpRequest, HttpResponseInit } from '@azure/functions';
import Negotiator from 'negotiator';
import { CODINGS, type Coding, type Description, unpack } from '../core/content/content.ts';
import type { ReadAnswer } from '../core/read/read.ts';
import { preconditions, rangeApplies } from './conditions.ts';
import { cachedHeaders, fromNow, notCached, problem, viewOf } from './http.ts';
import { type ByteRange, contentRange, limitRanges, multipart, parseRange } from './ranges.ts';

export interface ContentHttp {
  readonly precompressed: readonly Coding[];
  readonly cacheControl: readonly { readonly pattern: RegExp; readonly value: string }[];
  readonly activeContent: 'sandbox' | 'trust';
  readonly maxAnswerBytes: number;
}

/** Some bytes of the representation; `changed`: it is another one by now. */
export type Slices = (range: ByteRange) => Promise<Uint8Array | 'changed'>;

/** Codings of variants that the client likes better than the plain bytes, best first. */
export function preferredCodings(request: HttpRequest, precompressed: readonly Coding[]): readonly Coding[] {
  const accepted = (negotiatorOf(request) as Preferring).encodings([...precompressed, 'identity'], {
    preferred: [...CODINGS],
  });
  const plain = accepted.indexOf('identity');
  return (plain < 0 ? accepted : accepted.slice(0, plain)) as Coding[];
}

/** A Content-Encoding that is none, as some uploads have, is passed on and not negotiated. */
function accepts(request: HttpRequest, encoding: string): boolean {
  const name = withoutOldNames(encoding).toLowerCase();
  const coding = /^(gzip|br|deflate|zstd|compress)$/.test(name) ? name : 'identity';
  return request.headers.get('accept-encoding') === null || negotiatorOf(request).encodings([coding]).length > 0;
}

/** What its types do not know yet: of codings that the client likes alike, ours come in our order. */
interface Preferring {
  encodings(available: string[], options: { preferred: string[] }): string[];
}

function negotiatorOf(request: HttpRequest): Negotiator {
  const field = request.headers.get('accept-encoding');
  return new Negotiator({ headers: { 'accept-encoding': field === null ? undefined : codingsOf(field) } });
}

/** The members of an Accept-Encoding that are ones: of `br;q=x` a parser would make that nothing is acceptable. */
function codingsOf(field: string): string {
  return withoutOldNames(field)
    .split(',')
    .filter((member) => CODING.test(member))
    .join(',');
}

const CODING = /^\s*[\w!#$%&'*+.^`|~-]+\s*(;\s*q=(0(\.\d{0,3})?|1(\.0{0,3})?)\s*)?$/i;

/** `x-gzip` and `x-compress` are names of `gzip` and `compress` (RFC 9110 section 8.4.1). */
function withoutOldNames(codings: string): string {
  return codings.replace(/\bx-(?=(gzip|compress)\b)/gi, '');
}

/** `changed`: what was cached of a large blob is not there any more, so ask again. */
export async function answerContent(
  request: HttpRequest,
  path: string,
  answer: ReadAnswer,
  options: ContentHttp & { readonly slice: (description: Description, range: ByteRange) => ReturnType<Slices> },
): Promise<HttpResponseInit | 'changed'> {
  if (answer.kind === 'not-cached') return notCached(VARY);
  const found = viewOf(answer);
  const headers: Record<string, string> = { ...cachedHeaders(answer), ...VARY };
  if (found === undefined) {
    return problem(404, 'not-found', 'there is no such content', { ...headers, 'cache-control': PRIVATE });
  }
  const { description, bytes } = unpack(found.body);
  Object.assign(headers, {
    etag: found.etag,
    'last-modified': new Date(description.modifiedMs).toUTCString(),
    'cache-control': fromNow(options.cacheControl.find(({ pattern }) => pattern.test(path))?.value ?? PRIVATE, answer),
    'accept-ranges': 'bytes',
  });
  const refusal = { ...headers, ...NO_STORE };
  if (!accepts(request, description.encoding ?? 'identity')) {
    return problem(406, 'not-acceptable', 'it does not exist in a coding that Accept-Encoding allows', refusal);
  }
  const validators = { etag: found.etag, modifiedMs: description.modifiedMs };
  const precondition = preconditions(request.headers, validators);
  if (precondition === 304) return { status: 304, headers };
  if (precondition === 412) return problem(412, 'precondition-failed', 'it is not the version asked for', refusal);
  const slices: Slices = (range) =>
    description.large
      ? options.slice(description, range)
      : Promise.resolve(bytes.subarray(range.first, range.last + 1));
  const described = { ...headers, ...describing(description, options.activeContent) };
  if (request.method === 'HEAD') {
    return { status: 200, headers: { ...described, 'content-length': String(description.size) } };
  }
  const ranges = rangeApplies(request.headers, validators, Date.now())
    ? parseRange(request.headers.get('range'), description.size)
    : 'ignored';
  if (ranges === 'unsatisfiable') {
    const detail = `it has ${description.size} bytes, and none in the ranges asked for`;
    const none = { 'content-range': `bytes */${description.size}` };
    return problem(416, 'range-not-satisfiable', detail, { ...refusal, ...none });
  }
  return answerBytes(description.size, ranges, { headers: described, slices, most: options.maxAnswerBytes });
}

const VARY = { vary: 'Accept-Encoding' };
// A rule for the content is none for refusals of it: a cache would keep them for all.
const NO_STORE = { 'cache-control': 'no-store' };
const PRIVATE = 'private, no-cache';

/** Headers that describe the bytes. */
function describing(description: Description, activeContent: 'sandbox' | 'trust'): Record<string, string> {
  const { type, encoding, language, disposition } = description;
  const headers: Record<string, string> = { 'content-type': mediaType(type) };
  const more = { 'content-encoding': encoding, 'content-language': language, 'content-disposition': disposition };
  for (const [name, value] of Object.entries(more)) {
    const text = fieldValue(value);
    if (text !== undefined) headers[name] = text;
  }
  // What somebody uploaded would otherwise run scripts with the rights of this origin.
  if (activeContent === 'sandbox' && ACTIVE.test(headers['content-type'] ?? ''))
    headers['content-security-policy'] = 'sandbox';
  return headers;
}

/** One media type or none: of several, a browser takes the last (Fetch standard), and an uploader could hide it there. */
function mediaType(type: string): string {
  return /^[\w!#$&^.+-]+\/[\w!#$&^.+-]+\s*(;[^,]*)?$/.test(type) ? (fieldValue(type) ?? UNTYPED) : UNTYPED;
}

const UNTYPED = 'application/octet-stream';

/** HTML and everything that a browser reads as XML, SVG among it. */
const ACTIVE = /^(text\/(html|xml|xsl)|application\/xml|[^;\s]*\+xml)\s*(;|$)/i;

/** A property of the storage as a header can carry it. */
function fieldValue(text: string | undefined): string | undefined {
  return text !== undefined && /^[\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?$/.test(text) ? text : undefined;
}

async function answerBytes(
  size: number,
  asked: readonly ByteRange[] | 'ignored',
  { headers, slices, most }: { headers: Record<string, string>; slices: Slices; most: number },
): Promise<HttpResponseInit | 'changed'> {
  if (asked === 'ignored') {
    if (size > most) {
      const detail = `it has ${size} bytes; ask for it in ranges, of ${most} bytes at most`;
      return problem(413, 'too-large', detail, { ...VARY, ...NO_STORE, 'accept-ranges': 'bytes' });
    }
    const body = size === 0 ? new Uint8Array() : await slices({ first: 0, last: size - 1 });
    if (body === 'changed') return body;
    return { status: 200, headers: { ...headers, 'content-length': String(size) }, body };
  }
  const ranges = limitRanges(asked, most);
  const parts: { range: ByteRange; bytes: Uint8Array }[] = [];
  for (const range of ranges) {
    const bytes = await slices(range);
    if (bytes === 'changed') return bytes;
    parts.push({ range, bytes });
  }
  const [first] = parts;
  if (parts.length === 1 && first !== undefined) {
    const only = { 'content-range': contentRange(first.range, size), 'content-length': String(first.bytes.length) };
    return { status: 206, headers: { ...headers, ...only }, body: first.bytes };
  }
  const boundary = randomUUID();
  const body = multipart(parts, { size, type: headers['content-type'] ?? '', boundary });
  const several = {
    'content-type': `multipart/byteranges; boundary=${boundary}`,
    'content-length': String(body.length),
  };
  return { status: 206, headers: { ...headers, ...several }, body };
}
