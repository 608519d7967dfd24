// The JSON object that a request brings, or the answer that says why there is none (RFC 9110 sections 8.3, 8.4).

import type { HttpRequest, HttpResponseInit } from '@azure/functions';
import { type JsonText, parseObject } from '../core/json.ts';
import { problem } from './http.ts';

export const JSON_TYPE = 'application/json';

export interface ExpectedBody {
  readonly type: string;
  readonly maxBytes: number;
  /** What is too large, for the answer: `a session`. */
  readonly what: string;
  /** What stands for no body at all; undefined: there must be one. */
  readonly absent?: JsonText;
}

/** @throws WarmfeedError BAD_REQUEST for what is no strict JSON object */
export async function bodyOf(
  request: HttpRequest,
  { type, maxBytes, what, absent }: ExpectedBody,
): Promise<JsonText | { readonly answer: HttpResponseInit }> {
  const tooLarge = { answer: answerTooLarge(what, maxBytes) };
  if (Number(request.headers.get('content-length') ?? 0) > maxBytes) return tooLarge;
  const bytes = new Uint8Array(await request.arrayBuffer());
  if (bytes.length === 0 && request.headers.has('transfer-encoding')) {
    // The host hands over nothing of such a body, which is other than a request without one.
    return { answer: problem(411, 'length-required', 'the body must come with a Content-Length') };
  }
  if (bytes.length === 0 && absent !== undefined) return absent;
  if (bytes.length > maxBytes) return tooLarge;
  const encoding = request.headers.get('content-encoding') ?? 'identity';
  if (encoding.toLowerCase() !== 'identity') {
    const detail = 'the body must not be encoded';
    return { answer: problem(415, 'unsupported-encoding', detail, { 'accept-encoding': 'identity' }) };
  }
  if (!isType(request.headers.get('content-type') ?? '', type)) {
    const accepted = request.method === 'PATCH' ? 'accept-patch' : 'accept';
    const detail = `the body must be ${type}, in UTF-8`;
    return { answer: problem(415, 'unsupported-type', detail, { [accepted]: type }) };
  }
  return parseObject(bytes, 'the body');
}

export function answerTooLarge(what: string, maxBytes: number): HttpResponseInit {
  return problem(413, 'too-large', `${what} may have ${maxBytes} bytes`);
}

function isType(field: string, type: string): boolean {
  const [essence = '', ...parameters] = field.toLowerCase().split(';');
  return essence.trim() === type && parameters.every((each) => /^\s*charset="?utf-8"?\s*$/.test(each));
}
