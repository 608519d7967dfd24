// A read that is counted, however it ends.

import type { ReadAnswer } from '../core/read/read.ts';
import { type OnRead, outcomeOf } from '../core/read/read-outcome.ts';

/** @throws what the read throws */
export async function counted(onRead: OnRead, name: string, read: () => Promise<ReadAnswer>): Promise<ReadAnswer> {
  const began = performance.now();
  try {
    const found = await read();
    onRead(name, outcomeOf(found), performance.now() - began);
    return found;
  } catch (error) {
    onRead(name, 'error', performance.now() - began);
    throw error;
  }
}
