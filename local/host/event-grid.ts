/**
 * The webhook of the Event Grid extension, `/runtime/webhooks/eventgrid?functionName=…`: answers the handshakes of both schemas
 * and starts the function once for each event. A failure is a 500, upon which Event Grid delivers the whole request again.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { readBody } from './http-request.ts';
import { sendEmpty, sendJson } from './http-response.ts';
import type { InvocationInput } from './invoke.ts';
import type { Outcome } from './retry.ts';

export const eventGridPath = /^\/runtime\/webhooks\/eventgrid\/?$/i;

export interface EventGridSource {
  /** Whether there is such a function with an Event Grid trigger. */
  has(name: string): boolean;
  run(name: string, input: InvocationInput): Promise<Outcome>;
}

export async function eventGrid(
  request: IncomingMessage,
  response: ServerResponse,
  query: URLSearchParams,
  source: EventGridSource,
): Promise<void> {
  const name = query.get('functionName') ?? '';
  if (!source.has(name)) return sendEmpty(response, 404);
  if (request.method === 'OPTIONS') {
    // CloudEvents 1.0: the sender asks whether it may.
    const origin = request.headers['webhook-request-origin'];
    if (origin === undefined) return sendEmpty(response, 400);
    response.setHeader('webhook-allowed-origin', origin);
    response.end();
    return undefined;
  }
  const events = eventsOf(await readBody(request));
  if (events === undefined) return sendEmpty(response, 400);
  const type = String(request.headers['aeg-event-type'] ?? '').toLowerCase();
  if (type === 'subscriptionvalidation') {
    const { validationCode } = Object((events[0] as { data?: unknown } | undefined)?.data) as Record<string, unknown>;
    return sendJson(response, 200, { validationResponse: validationCode });
  }
  if (type === 'unsubscribe') return sendEmpty(response, 200);
  if (type !== 'notification' && !events.every(isCloudEvent)) return sendEmpty(response, 400);
  const outcomes = await Promise.all(
    events.map((event) =>
      source.run(name, { data: { json: JSON.stringify(event) }, reason: 'EventGrid trigger fired.' }),
    ),
  );
  return sendEmpty(response, outcomes.every(({ ok }) => ok) ? 202 : 500);
}

function eventsOf(body: Buffer | undefined): readonly unknown[] | undefined {
  try {
    const parsed: unknown = JSON.parse(body?.toString('utf8') ?? '');
    return Array.isArray(parsed) ? parsed : [parsed];
  } catch {
    return undefined;
  }
}

const isCloudEvent = (event: unknown): boolean => typeof Object(event).specversion === 'string';
