import { describe, expect, it } from 'vitest';
import { WarmfeedError } from '../../src/core/errors.ts';
import { createPauses } from '../../src/core/sync/pauses.ts';
import { createMemoryOpsStore } from '../support/memory-ops-store.ts';
import { createWorld } from '../support/world.ts';

const GO_ON = new AbortController().signal;

function setUp() {
  const world = createWorld();
  const ops = createMemoryOpsStore(world.memory, world.clock.now);
  const create = () => createPauses({ ops, keys: world.keys, clock: world.clock });
  return { world, ops, create, pauses: create() };
}

describe('a paused source', () => {
  it('holds whoever comes, in every process half a second later at most, until it is resumed', async () => {
    const { world, create, pauses } = setUp();
    const other = create();
    await other.hold('s', GO_ON);
    await pauses.pause('s', 'ann', 5);
    await pauses.pause('s', 'bob', 9);
    expect(await pauses.of('s')).toEqual({ at: 5, by: 'ann' });
    expect(await pauses.of('t')).toBeUndefined();
    world.advance(500);
    let isOver = false;
    const held = other.hold('s', GO_ON).then(() => {
      isOver = true;
    });
    for (let i = 0; i < 5; i++) await new Promise(setImmediate);
    expect(isOver).toBe(false);
    await pauses.resume('s');
    await pauses.resume('s');
    await held;
    expect(await other.of('s')).toBeUndefined();
  });

  it('gives a page back after a while, and at once where the process ends', async () => {
    const { world, pauses } = setUp();
    await pauses.pause('s', 'ann', 5);
    const began = world.clock.now();
    await expect(pauses.hold('s', GO_ON)).rejects.toMatchObject({ code: 'PAUSED', message: 's is paused, by ann' });
    expect(world.clock.now() - began).toBe(20_000);
    await expect(pauses.hold('s', AbortSignal.abort())).rejects.toMatchObject({ code: 'PAUSED' });
    expect(world.clock.now() - began).toBe(20_000);
  });

  it('whether it is cannot be told without Redis, and is asked again', async () => {
    const { ops, world } = setUp();
    let isDown = true;
    const fields = (key: string) =>
      isDown ? Promise.reject(new WarmfeedError('STORE_UNAVAILABLE', 'down')) : ops.fields(key);
    const pauses = createPauses({ ops: { ...ops, fields }, keys: world.keys, clock: world.clock });
    await expect(pauses.hold('s', GO_ON)).rejects.toThrow('down');
    isDown = false;
    await pauses.hold('s', GO_ON);
  });
});
