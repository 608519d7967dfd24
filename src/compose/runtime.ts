// Time and randomness of the process, for the core's ports.

import { createHash, hash, randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Clock, Entropy } from '../core/ports.ts';
import type { SessionEntropy } from '../core/session/session-ports.ts';

export const clock: Clock = {
  now: () => performance.now(),
  sleep: (ms) => sleep(ms),
  deadline: (ms) => AbortSignal.timeout(ms),
};

const TOKEN_BYTES = 8;
let tokens = randomBytes(0);
let nextToken = 0;

export const entropy: Entropy = {
  random: () => Math.random(),
  token: () => {
    // By the thousand: a change batch needs one for each key.
    if (nextToken === tokens.length) {
      tokens = randomBytes(1024 * TOKEN_BYTES);
      nextToken = 0;
    }
    nextToken += TOKEN_BYTES;
    return tokens.subarray(nextToken - TOKEN_BYTES, nextToken);
  },
  // As text: a third of the time that bytes take.
  digest: (bytes) => Buffer.from(hash('sha256', bytes, 'binary').slice(0, 12), 'latin1'),
};

export const sessionEntropy: SessionEntropy = {
  id: () => randomBytes(16).toString('base64url'),
  token: entropy.token,
  sha256: (bytes) => createHash('sha256').update(bytes).digest(),
  base64url: (bytes) => Buffer.from(bytes).toString('base64url'),
};

/** Does something again and again, one after the other, without keeping the process alive. @returns ends it */
export function every(ms: number, work: () => Promise<void>): () => void {
  let isBusy = false;
  const timer = setInterval(() => {
    if (isBusy) return;
    isBusy = true;
    void work().finally(() => {
      isBusy = false;
    });
  }, ms);
  timer.unref();
  return () => clearInterval(timer);
}
