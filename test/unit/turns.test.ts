import { expect, it } from 'vitest';
import { createTurns } from '../../src/core/protocol/fill.ts';

async function turnsOf(count: number, call: (i: number) => Promise<number>) {
  let sent = 0;
  const turns = createTurns<number>({ sent: async () => void sent++ });
  for (let i = 0; i < count; i++) {
    turns.add(call(i));
    if (turns.isOver()) await turns.next();
  }
  return { turns, sent: () => sent };
}

it('gives the replies of all turns in the order of the calls, and each once', async () => {
  const { turns, sent } = await turnsOf(300, async (i) => i);
  expect(sent()).toBe(2);
  expect(await turns.replies()).toEqual(Array.from({ length: 300 }, (_, i) => i));
  expect(await turns.replies()).toEqual([]);
});

it('fails with the first failure once all have ended, and leaves no rejection to nobody', async () => {
  let ended = 0;
  const { turns } = await turnsOf(300, async (i) => {
    if (i === 5 || i === 200) throw new Error(`call ${i}`);
    await new Promise((resolve) => setImmediate(resolve));
    ended++;
    return i;
  });
  await new Promise((resolve) => setImmediate(resolve));
  await expect(turns.replies()).rejects.toThrow('call 5');
  expect(ended).toBe(298);
});
