// The operator's routes in the OpenAPI document.

import { COUNTS, orNull, ref, TEXT, TIME, WHOLE } from './openapi-ops-schemas.ts';
import { type Json, jsonAnswer, jsonBody, list, type OperationParts, object, operation } from './openapi-parts.ts';

const AT = '2026-11-25T08:00:00.000Z';
const LETTER_ID = '1764057600000-0';
const JOB_ID = 'w-20261125T080000-1f2e3d4c';

const inPath = (name: string, example: string): Json => ({ name, in: 'path', required: true, schema: TEXT, example });
const inQuery = (name: string, schema: Json): Json => ({ name, in: 'query', schema });

type Ops = Omit<OperationParts, 'tag' | 'caller'>;

/** Any of them may find Redis away. */
function ops({ problems = [], ...parts }: Ops): Json {
  return operation({ tag: 'operations', caller: 'admin', ...parts, problems: [400, ...problems, 503] });
}

/** What is explained, as it is read: the path or name, and the parameters. */
export interface Explained {
  readonly path: string;
  readonly id: string;
  readonly what: string;
  readonly parameters: readonly Json[];
  /** Whether its source can be read for comparison. */
  readonly hasSource: boolean;
}

export function opsPaths(explained: readonly Explained[]): Json {
  return {
    ...Object.fromEntries(explained.map((one) => [one.path, { get: explainOperation(one) }])),
    '/ops/purge': { post: purgeOperation() },
    ...warmPaths(),
    ...letterPaths(),
    ...sourcePaths(),
    ...statePaths(),
    ...consolePaths(),
  };
}

function explainOperation({ id, what, parameters, hasSource }: Explained): Json {
  const source = inQuery('source', { type: 'boolean', default: false });
  return ops({
    id,
    summary: `Why ${what} is cached, stale or missing`,
    parameters: [...parameters, ...(hasSource ? [source] : [])],
    answers: { 200: jsonAnswer('The explanation', ref('Explanation')) },
    problems: [404],
  });
}

function purgeOperation(): Json {
  const mode: Json = { enum: ['drop', 'stale'] };
  const pair = { type: 'array', prefixItems: [TEXT, { type: 'array' }], items: false, minItems: 2 };
  const oneOf = Object.entries({ keys: list(pair), tags: list(TEXT), entity: TEXT, query: TEXT });
  const body: Json = { anyOf: oneOf.map(([name, schema]) => object({ [name]: schema, mode })) };
  const purged = object({ keys: WHOLE, tags: list(TEXT), entity: orNull(TEXT), query: orNull(TEXT) });
  const example = {
    purged: { keys: 0, tags: ['country:FR'], entity: null, query: null },
    mode: 'stale',
    completeAt: AT,
  };
  return ops({
    id: 'purge',
    summary:
      'Makes what is cached stale, or drops it: by keys, tags, entity or query. Answers once it holds everywhere',
    body: jsonBody(body, { tags: ['country:FR'], mode: 'stale' }),
    answers: { 200: jsonAnswer('Done', object({ purged, mode, completeAt: TIME }), example) },
    problems: [404, 409, 411, 413, 415],
  });
}

function warmPaths(): Json {
  const id = inPath('id', JOB_ID);
  const body = object(
    { entity: TEXT, keys: list({}), since: TIME, unitsPerSecond: { type: 'number', minimum: 1, maximum: 1_000_000 } },
    ['keys', 'since', 'unitsPerSecond'],
  );
  const action = { ...inPath('action', 'pause'), schema: { enum: ['pause', 'resume', 'cancel'] } };
  return {
    '/ops/warm': {
      get: ops({
        id: 'warmJobs',
        summary: 'The jobs of late, newest first',
        answers: { 200: jsonAnswer('The jobs', object({ jobs: list(ref('WarmJob')) }), { jobs: [] }) },
      }),
      post: ops({
        id: 'warm',
        summary: 'Begins to cache an entity: all of it, some keys, or what was written since',
        body: jsonBody(body, { entity: 'airport', unitsPerSecond: 400 }),
        answers: { 202: jsonAnswer('The job', ref('WarmJob')) },
        problems: [404, 409, 411, 413, 415],
      }),
    },
    '/ops/warm/{id}': {
      get: ops({
        id: 'warmJob',
        summary: 'One job',
        parameters: [id],
        answers: { 200: jsonAnswer('The job', ref('WarmJob')) },
        problems: [404],
      }),
    },
    '/ops/warm/{id}/{action}': {
      post: ops({
        id: 'turnWarmJob',
        summary: 'Pauses, resumes or cancels a job',
        parameters: [id, action],
        answers: { 200: jsonAnswer('The job', ref('WarmJob')) },
        problems: [404, 409],
      }),
    },
  };
}

function letterPaths(): Json {
  const page = object({ letters: list(ref('DeadLetter')), total: WHOLE, cursor: orNull(TEXT) });
  const which: Json = {
    anyOf: [object({ ids: list(TEXT) }), object({ all: { const: true }, cursor: orNull(TEXT) }, ['cursor'])],
  };
  const body = jsonBody(which, { ids: [LETTER_ID] });
  const outcome = { enum: ['replayed', 'failing', 'skipped', 'gone'] };
  const results = list(object({ id: TEXT, outcome, reason: orNull(TEXT) }));
  const counts = { replayed: WHOLE, failing: WHOLE, skipped: WHOLE, gone: WHOLE };
  return {
    '/ops/dead-letters': {
      get: ops({
        id: 'deadLetters',
        summary: 'Changes that could not be handled, newest first',
        parameters: [inQuery('cursor', TEXT), inQuery('limit', { type: 'integer', minimum: 1, maximum: 200 })],
        answers: { 200: jsonAnswer('A page', page, { letters: [], total: 0, cursor: null }) },
      }),
    },
    '/ops/dead-letters/{id}': {
      get: ops({
        id: 'deadLetter',
        summary: 'One dead letter',
        parameters: [inPath('id', LETTER_ID)],
        answers: { 200: jsonAnswer('The letter', ref('DeadLetter')) },
        problems: [404],
      }),
    },
    '/ops/dead-letters/replay': {
      post: ops({
        id: 'replayDeadLetters',
        summary: 'Reads the items anew and caches them',
        body,
        answers: { 200: jsonAnswer('What came of it', object({ ...counts, cursor: orNull(TEXT), results })) },
        problems: [411, 413, 415],
      }),
    },
    '/ops/dead-letters/drop': {
      post: ops({
        id: 'dropDeadLetters',
        summary: 'Forgets them',
        body,
        answers: { 200: jsonAnswer('How many', object({ dropped: WHOLE, gone: WHOLE }), { dropped: 1, gone: 0 }) },
        problems: [411, 413, 415],
      }),
    },
  };
}

function sourcePaths(): Json {
  const name = { ...inPath('name', 'cosmos/COSMOS/warmfeed/airports'), description: 'Percent-encoded, slashes too' };
  const turn = (action: 'pause' | 'resume', summary: string): Json =>
    ops({
      id: `${action}Source`,
      summary,
      parameters: [name],
      answers: { 200: jsonAnswer('The source', ref('Source')) },
      problems: [404],
    });
  const all = object({
    sources: list(ref('Source')),
    unattributedDeadLetters: object({ count: WHOLE, oldestAt: orNull(TIME) }),
  });
  return {
    '/ops/sources': {
      get: ops({
        id: 'sources',
        summary: 'How each source and partition stands',
        answers: { 200: jsonAnswer('The sources', all) },
      }),
    },
    '/ops/sources/{name}/pause': { post: turn('pause', 'Holds the changes of a source') },
    '/ops/sources/{name}/resume': { post: turn('resume', 'Lets the changes of a source go on') },
  };
}

function statePaths(): Json {
  const bucket = object({
    at: TIME,
    reads: COUNTS,
    sessions: COUNTS,
    latency: list(WHOLE),
    lag: list(WHOLE),
    changes: WHOLE,
    fills: COUNTS,
    refused: COUNTS,
    deadLetters: WHOLE,
    storeFailures: WHOLE,
    sourceFailures: WHOLE,
  });
  const bounds = list({ type: 'number' });
  const stats = object({
    bucketMs: WHOLE,
    latencyBoundsMs: bounds,
    lagBoundsMs: bounds,
    buckets: list(bucket),
    byEntity: { type: 'object', additionalProperties: COUNTS },
    sessions: { type: 'object', additionalProperties: COUNTS },
  });
  const audited = { samples: WHOLE, match: WHOLE, superseded: WHOLE, stale: WHOLE, provisional: WHOLE };
  const share = orNull({ type: 'number', minimum: 0, maximum: 1 });
  return {
    '/ops/stats': {
      get: ops({
        id: 'stats',
        summary: 'What happened in the last minutes, over all instances, in buckets of ten seconds',
        parameters: [inQuery('minutes', { type: 'integer', minimum: 1, maximum: 15 })],
        answers: { 200: jsonAnswer('The buckets', stats) },
      }),
    },
    '/ops/consistency': {
      get: ops({
        id: 'consistency',
        summary: 'What the auditor found of how right the cache is',
        answers: {
          200: jsonAnswer(
            'The counts',
            object({
              ...audited,
              share,
              bound95: share,
              byDelay: { type: 'object', additionalProperties: object(audited) },
            }),
          ),
        },
      }),
    },
  };
}

const fileAnswer = (description: string): Json => ({ description, content: { '*/*': {} } });

function consolePaths(): Json {
  const common = { tag: 'operations', caller: 'anybody' } as const;
  return {
    '/ops/console': {
      get: operation({
        ...common,
        id: 'console',
        summary: 'A page for operators',
        answers: { 200: fileAnswer('The page') },
      }),
    },
    '/ops/console/{file}': {
      get: operation({
        ...common,
        id: 'consoleFile',
        summary: 'What the page is made of',
        parameters: [inPath('file', 'console.css')],
        answers: { 200: fileAnswer('A file') },
        problems: [404],
      }),
    },
  };
}
