/** Answers: JSON text with the headers that every one of them carries. */
import { randomUUID } from 'node:crypto';
import { CosmosError, codeOf } from './errors.ts';
import type { JsonObject } from './json.ts';
import type { PartitionRange } from './range.ts';
import type { Container } from './store.ts';

export interface Reply {
  status: number;
  headers: Record<string, string>;
  /** Empty: none. */
  body: string;
}

export const reply = (status: number, body: unknown, headers: Record<string, string> = {}): Reply => ({
  status,
  headers,
  body: body === undefined ? '' : JSON.stringify(body),
});

const lastStateChange = new Date().toUTCString();

export const commonHeaders = (): Record<string, string> => ({
  'x-ms-activity-id': randomUUID(),
  'x-ms-request-charge': '1',
  'x-ms-gatewayversion': 'version=2.14.0',
  'x-ms-serviceversion': 'version=2.14.0.0',
  'x-ms-last-state-change-utc': lastStateChange,
});

const encodable = /[^\x20-\x7e]/g;

/** Header values are ASCII; names of databases and containers need not be. */
const headerSafe = (value: string): string => value.replaceAll(encodable, (part) => encodeURIComponent(part));

/** A database or container. */
export const resourceReply = (status: number, resource: JsonObject): Reply =>
  reply(status, resource, typeof resource['_etag'] === 'string' ? { etag: resource['_etag'] } : {});

/** Tells the position of the answer: the range, and the LSN that the answering replica has of it. */
export const positionHeaders = (container: Container, range: PartitionRange, lsn: number): Record<string, string> => ({
  'x-ms-session-token': `${range.id}:-1#${lsn}`,
  lsn: String(lsn),
  'x-ms-documentdb-partitionkeyrangeid': range.id,
  'x-ms-alt-content-path': headerSafe(`dbs/${container.database.id}/colls/${container.id}`),
  'x-ms-content-path': container.rid.text,
});

export const refusal = (error: unknown): Reply => {
  if (!(error instanceof CosmosError))
    return reply(500, {
      code: codeOf(500),
      message: error instanceof Error ? (error.stack ?? error.message) : 'Unknown',
    });
  const { status, substatus, message, detail } = error;
  const code = codeOf(status);
  const headers = { ...error.headers, ...(substatus === 0 ? {} : { 'x-ms-substatus': String(substatus) }) };
  return reply(status, { code, message, ...detail }, headers);
};

/** Runs a handler whose refusals must tell the position too: a 404 has an as-of like any other answer. */
export const atPosition = <T>(headers: Record<string, string>, body: () => T): T => {
  try {
    return body();
  } catch (error) {
    if (error instanceof CosmosError) error.headers = { ...headers, ...error.headers };
    throw error;
  }
};
