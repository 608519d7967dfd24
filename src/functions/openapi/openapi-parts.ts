// What operations of the OpenAPI document have in common: problems, headers, who may call.

export type Json = Readonly<Record<string, unknown>>;

export interface OperationParts {
  readonly tag: string;
  readonly id: string;
  readonly summary: string;
  readonly description?: string;
  readonly parameters?: readonly Json[];
  readonly body?: Json;
  readonly answers: Json;
  /** Refusals that it can give besides 401 and 500. */
  readonly problems?: readonly Problem[];
  readonly caller?: Caller;
}

export type Caller = 'anybody' | 'function' | 'admin';

const SECURITY: Readonly<Record<Caller, readonly Json[]>> = {
  anybody: [],
  function: [{ functionKey: [] }],
  admin: [{ adminKey: [] }],
};

export function operation(parts: OperationParts): Json {
  const { tag, id, summary, description, parameters, body, answers, problems = [], caller = 'function' } = parts;
  const refusals = Object.fromEntries(problems.map((status) => [status, { $ref: `#/components/responses/${status}` }]));
  return {
    tags: [tag],
    operationId: id,
    summary,
    ...(description !== undefined && { description }),
    ...(parameters !== undefined && parameters.length > 0 && { parameters }),
    ...(body !== undefined && { requestBody: body }),
    responses: {
      ...answers,
      ...(caller !== 'anybody' && { 401: { $ref: '#/components/responses/401' } }),
      ...refusals,
      500: { $ref: '#/components/responses/500' },
    },
    security: SECURITY[caller],
  };
}

/** The same without bodies (RFC 9110 section 9.3.2). */
export function headOf(get: Json, id: string): Json {
  const responses = Object.entries(get['responses'] as Record<string, Json>).map(([status, response]) => {
    if ('$ref' in response) return [status, { description: TITLES[Number(status) as Problem] }];
    const { content: _, ...bare } = response;
    return [status, bare];
  });
  return { ...get, operationId: id, responses: Object.fromEntries(responses) };
}

export function jsonBody(schema: Json, example: unknown, type = 'application/json'): Json {
  return { required: true, content: { [type]: { schema, example } } };
}

export function jsonAnswer(description: string, schema: Json, example?: unknown, headers?: Json): Json {
  const media = { schema, ...(example !== undefined && { example }) };
  return { description, ...(headers && { headers }), content: { 'application/json': media } };
}

export function headerRefs(...names: readonly (keyof typeof HEADERS)[]): Json {
  return Object.fromEntries(names.map((name) => [name, { $ref: `#/components/headers/${name}` }]));
}

export const NOT_MODIFIED: Json = { description: 'Not Modified', headers: headerRefs('ETag') };

/** An object whose named members are all there. */
export function object(properties: Readonly<Record<string, Json>>, optional: readonly string[] = []): Json {
  const required = Object.keys(properties).filter((name) => !optional.includes(name));
  return { type: 'object', properties, required };
}

export const list = (items: Json): Json => ({ type: 'array', items });

const text = (description: string, example: string): Json => ({ description, schema: { type: 'string' }, example });

const HEADERS = {
  ETag: text('Changes with the value', '"kq0D2vPoZ5yJ1mXh"'),
  Age: { description: 'Seconds since it was cached', schema: { type: 'integer', minimum: 0 }, example: 12 },
  'Cache-Status': text(
    'Hit, stale, miss or bypass, and the guarantee that it was cached under (RFC 9211)',
    'Warmfeed; hit; ttl=3588; detail=watermarked',
  ),
  'Cache-Control': text('What other caches may keep', 'private, no-cache'),
  'Last-Modified': text('When the content was changed', 'Wed, 25 Nov 2026 08:00:00 GMT'),
  'x-session-id': text('The id of the session, which is a secret', 'Zm9yIHRoZSBleGFtcGxlIQ'),
} as const satisfies Record<string, Json>;

const TITLES = {
  400: 'Bad Request',
  401: 'Unauthorized: the key is missing or another; the host answers, without a problem document',
  404: 'Not Found',
  406: 'Not Acceptable',
  409: 'Conflict',
  411: 'Length Required',
  412: 'Precondition Failed',
  413: 'Content Too Large',
  415: 'Unsupported Media Type',
  416: 'Range Not Satisfiable',
  500: 'Internal Server Error',
  502: 'Bad Gateway: the database refused, or a row cannot be represented',
  503: 'Service Unavailable: try again after Retry-After',
  504: 'Gateway Timeout: only-if-cached was asked for, and it is not cached',
} as const;

export type Problem = keyof typeof TITLES;

const EXAMPLES: Readonly<Record<Exclude<Problem, 401>, readonly [string, string]>> = {
  400: ['bad-key', 'segment {id} is empty'],
  404: ['not-found', 'there is no such item'],
  406: ['not-acceptable', 'it does not exist in a coding that Accept-Encoding allows'],
  409: ['session-ended', 'the session with this id has ended, and its id is never used again'],
  411: ['length-required', 'the body must come with a Content-Length'],
  412: ['precondition-failed', 'If-Match names another version'],
  413: ['too-large', 'a batch may have 1048576 bytes'],
  415: ['unsupported-type', 'the body must be application/json, in UTF-8'],
  416: ['range-not-satisfiable', 'it has 100 bytes, and none in the ranges asked for'],
  500: ['internal', 'something failed here; it was logged'],
  502: ['source-rejected', 'the database refused the read; it was logged'],
  503: ['unavailable', 'the database cannot answer now, and nothing usable is cached'],
  504: ['not-cached', 'only-if-cached was asked for, and it is not cached'],
};

const PROBLEM = object({
  type: { type: 'string', pattern: '^urn:warmfeed:problem:' },
  title: { type: 'string' },
  status: { type: 'integer' },
  detail: { type: 'string', description: 'What is wrong with this request' },
});

/** The components that every document has. */
export function commonComponents(): Json {
  const refused = Object.entries(EXAMPLES).map(([status, [code, detail]]) => {
    const title = TITLES[Number(status) as Problem];
    const example = {
      type: `urn:warmfeed:problem:${code}`,
      title: title.split(':')[0],
      status: Number(status),
      detail,
    };
    const schema = { $ref: '#/components/schemas/Problem' };
    return [status, { description: title, content: { 'application/problem+json': { schema, example } } }];
  });
  const key = { type: 'apiKey', in: 'header', name: 'x-functions-key' };
  return {
    schemas: { Problem: { description: 'A problem document (RFC 9457)', ...PROBLEM } },
    headers: HEADERS,
    responses: { 401: { description: TITLES[401] }, ...Object.fromEntries(refused) },
    securitySchemes: {
      functionKey: { ...key, description: 'A function or host key of the Function App' },
      adminKey: { ...key, description: 'The master key of the Function App' },
    },
  };
}
