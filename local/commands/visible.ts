/** How long after its commit a change is what reads answer. */
import { type Answer, header, jsonOf } from '../services/http.ts';
import { sleep } from '../services/service.ts';

const pauseMs = 4;

export interface Visible {
  answer: Answer;
  /** From the database's answer to the write until the end of the first answer that shows it. */
  lagMs: number;
}

/** Undefined if it does not become visible in time. @param committed `performance.now()` when the write was answered */
export async function untilVisible(
  read: () => Promise<Answer>,
  shows: (answer: Answer) => boolean,
  committed: number,
  timeoutMs = 5_000,
): Promise<Visible | undefined> {
  while (performance.now() - committed < timeoutMs) {
    const answer = await read();
    if (shows(answer)) return { answer, lagMs: performance.now() - committed };
    await sleep(pauseMs);
  }
  return undefined;
}

/** All the written fields that the app serves at all have the written values, and there is at least one. */
export function showsFields(fields: Record<string, unknown>): (answer: Answer) => boolean {
  return (answer) => {
    const body = answer.status === 200 ? jsonOf(answer) : undefined;
    if (!body) return false;
    const served = Object.entries(fields).filter(([name]) => Object.hasOwn(body, name));
    return served.length > 0 && served.every(([name, value]) => sameValue(body[name], value));
  };
}

const scalar = (value: unknown): value is string | number => typeof value === 'string' || typeof value === 'number';

/** Databases hold numbers that JSON cannot, so the app has some as text. */
export function sameValue(a: unknown, b: unknown): boolean {
  if (JSON.stringify(a) === JSON.stringify(b)) return true;
  if (!scalar(a) || !scalar(b) || a === '' || b === '') return false;
  return typeof a !== typeof b && Number(a) === Number(b);
}

export const isAbsent = ({ status }: Answer): boolean => status === 404;

export const lag = ({ lagMs }: Visible): string => `${Math.round(lagMs)} ms`;

export const statusLine = (answer: Answer): string =>
  `${answer.status}  ${header(answer, 'cache-status') || '(no Cache-Status)'}`;
