// /ops/dead-letters: list them, look at one, replay or drop some or all.

import type { HttpRequest, HttpResponseInit, InvocationContext } from '@azure/functions';
import { WarmfeedError } from '../../core/errors.ts';
import { type DeadLetters, REPLAY_PAGE, type Replayed, writtenAt } from '../../core/ops/dead-letters.ts';
import type { KeptLetter } from '../../core/ops/ops-ports.ts';
import { iso } from '../../core/ops/shown.ts';
import { bodyOf, JSON_TYPE } from '../body.ts';
import { problem, segmentsAfter } from '../http.ts';
import { parametersOf } from '../parameters.ts';
import { answerJson, numberOf, registerOps, whoAsks } from './ops-http.ts';

const MOST = 200;
const USUAL = 50;
const MAX_BYTES = 64 * 1024;
const ID = /^\d{1,15}-\d{1,19}$/;

export function registerOpsLetters(letters: DeadLetters): void {
  registerOps('dead-letters', 'dead-letters', { GET: (request) => list(request, letters) });
  registerOps('dead-letter', 'dead-letters/{id}', { GET: (request) => one(request, letters) });
  registerOps('dead-letters-replay', 'dead-letters/replay', { POST: (...call) => replay(...call, letters) });
  registerOps('dead-letters-drop', 'dead-letters/drop', { POST: (...call) => drop(...call, letters) });
}

async function list(request: HttpRequest, letters: DeadLetters): Promise<HttpResponseInit> {
  const parameters = parametersOf(request, ['cursor', 'limit']);
  const limit = numberOf(parameters, 'limit', { least: 1, most: MOST, usual: USUAL });
  const cursor = parameters.get('cursor');
  const page = await letters.page(limit, cursor === undefined ? undefined : idOf(cursor, 'cursor'));
  return answerJson(200, { letters: page.letters.map(shown), total: page.total, cursor: page.cursor ?? null });
}

async function one(request: HttpRequest, letters: DeadLetters): Promise<HttpResponseInit> {
  parametersOf(request, []);
  const [id = ''] = segmentsAfter(request, 'dead-letters');
  const letter = ID.test(id) ? await letters.one(id) : undefined;
  return letter === undefined
    ? problem(404, 'not-found', 'there is no such dead letter')
    : answerJson(200, shown(letter));
}

async function replay(
  request: HttpRequest,
  context: InvocationContext,
  letters: DeadLetters,
): Promise<HttpResponseInit> {
  const asked = await askedOf(request);
  if ('answer' in asked) return asked.answer;
  const { results, cursor } =
    asked.ids === undefined
      ? await letters.replayPage(asked.cursor)
      : { results: await letters.replay(asked.ids), cursor: undefined };
  const count = (outcome: Replayed['outcome']) => results.filter((result) => result.outcome === outcome).length;
  const counts = {
    replayed: count('replayed'),
    failing: count('failing'),
    skipped: count('skipped'),
    gone: count('gone'),
  };
  context.info(
    `ops: ${whoAsks(request)} replayed ${results.length} dead letter(s), ${counts.replayed} of them are mended`,
  );
  return answerJson(200, { ...counts, cursor: cursor ?? null, results });
}

async function drop(request: HttpRequest, context: InvocationContext, letters: DeadLetters): Promise<HttpResponseInit> {
  const asked = await askedOf(request);
  if ('answer' in asked) return asked.answer;
  const dropped = asked.ids === undefined ? await letters.dropAll() : await letters.drop(asked.ids);
  context.info(`ops: ${whoAsks(request)} dropped ${dropped} dead letter(s)`);
  return answerJson(200, { dropped, gone: asked.ids === undefined ? 0 : asked.ids.length - dropped });
}

interface Asked {
  /** Undefined: all. */
  readonly ids: readonly string[] | undefined;
  readonly cursor?: string;
}

/** @throws WarmfeedError BAD_REQUEST */
async function askedOf(request: HttpRequest): Promise<Asked | { readonly answer: HttpResponseInit }> {
  parametersOf(request, []);
  const body = await bodyOf(request, { type: JSON_TYPE, maxBytes: MAX_BYTES, what: 'the body' });
  if ('answer' in body) return body;
  const { ids, all, cursor, ...others } = body.value;
  const isOfIds = Array.isArray(ids) && all === undefined && cursor === undefined;
  if (Object.keys(others).length > 0 || isOfIds === (all === true) || (all === true && ids !== undefined)) {
    throw bad(`the body must be {"ids": […]} or {"all": true}`);
  }
  if (!isOfIds)
    return { ids: undefined, ...(cursor !== undefined && cursor !== null && { cursor: idOf(cursor, 'cursor') }) };
  if (ids.length === 0 || ids.length > REPLAY_PAGE) throw bad(`ids must be a list of 1 to ${REPLAY_PAGE} ids`);
  return { ids: [...new Set(ids.map((id: unknown) => idOf(id, 'an id')))] };
}

function idOf(value: unknown, what: string): string {
  if (typeof value === 'string' && ID.test(value)) return value;
  throw bad(`${what} must be the id of a dead letter, such as 1732885200000-0`);
}

function shown({ id, source, entity, key, version, reason }: KeptLetter) {
  return { id, at: iso(writtenAt(id)), source, entity, key, version, reason };
}

function bad(message: string): WarmfeedError {
  return new WarmfeedError('BAD_REQUEST', message);
}
