/** What every part of the local stack is to the others, and the one error that a user is meant to read. */

export interface Service {
  name: string;
  /** For people, e.g. `redis-server 7.0.15 on 127.0.0.1:6399`. */
  what: string;
  /** App settings that make the app use this service. */
  settings: Record<string, string>;
  /** The process of its own that it runs in, if any. */
  pid?: number;
  stop(): Promise<void>;
}

/** Says one line of progress to the user. */
export type Note = (text: string) => void;

/** Something that the user can put right; the message says how, and no stack is shown. */
export class StackError extends Error {
  override name = 'StackError';
}

export const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

export const sleep = (ms: number): Promise<void> => new Promise((done) => setTimeout(done, ms));

/** With commas, the same in every locale. */
export const count = (number: number): string => number.toLocaleString('en-US');
