/** A plain GET. Not `fetch`: beside a conditional header, that adds `Cache-Control: no-cache`, which the app would obey. */
import { type IncomingHttpHeaders, request } from 'node:http';

export interface Answer {
  status: number;
  headers: IncomingHttpHeaders;
  body: string;
}

export interface GetOptions {
  headers?: Record<string, string>;
  timeoutMs?: number;
}

export function get(url: string, { headers = {}, timeoutMs = 5_000 }: GetOptions = {}): Promise<Answer> {
  return new Promise((done, fail) => {
    const sent = request(url, { headers, timeout: timeoutMs, agent: false }, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.once('error', fail);
      response.once('end', () =>
        done({
          status: response.statusCode ?? 0,
          headers: response.headers,
          body: Buffer.concat(chunks).toString(),
        }),
      );
    });
    sent.once('timeout', () => sent.destroy(new Error(`no answer within ${timeoutMs / 1000} s`)));
    sent.once('error', fail);
    sent.end();
  });
}

/** A string of one header; empty if it is not there. */
export const header = ({ headers }: Answer, name: string): string => String(headers[name] ?? '');

export const isHit = (answer: Answer): boolean => /;\s*hit\b/.test(header(answer, 'cache-status'));

export function jsonOf(answer: Answer): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(answer.body);
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}
