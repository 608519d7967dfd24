// Filling keys whose leases the caller holds: many at a time, in windows of bounded size. What cannot be filled
// gives its lease back.

import { type Entity, type Represented, represent } from '../entity.ts';
import type { Document, Entropy, FillOutcome, FillReply, Guarantee, Observe, Position, Store } from '../ports.ts';
import { lifetimeUnder } from '../read/policy.ts';
import type { Generations, Snapshot } from './generations.ts';

export interface FillerDeps {
  readonly store: Store;
  readonly generations: Generations;
  readonly entropy: Entropy;
  readonly observe: Observe;
  readonly options: { readonly provisionalMs: number; readonly jitter: number };
}

/** A key under the caller's lease. */
export interface Held {
  readonly entity: Entity;
  readonly recordKey: string;
  readonly token: Uint8Array;
}

export interface Fill<H extends Held> {
  readonly held: H;
  readonly document: Document | undefined;
  /** What the document is to the cache, where it is known already. */
  readonly represented?: Represented | undefined;
  readonly version: Position;
  readonly asOf: Position;
  readonly expiresAt?: number | undefined;
  readonly guarantee: Guarantee;
  /** 8 bytes: hash of the partition id. */
  readonly identity: Uint8Array;
}

export interface FillReport<H extends Held> {
  readonly stored: number;
  /** What could not be represented; its key is left evicted. */
  readonly invalid: readonly { readonly held: H; readonly error: unknown }[];
}

/** How much is made ready or under way at a time. */
export const WINDOW_BYTES = 4 * 1024 * 1024;

/** @param by what the fills are for */
export function createFiller(deps: FillerDeps, by: 'read' | 'change' = 'change') {
  const { store, generations, entropy, observe, options } = deps;

  /** @param all every lease that the caller holds; those of nothing in `fills` are given back */
  async function fillAll<H extends Held>(
    fills: readonly Fill<H>[],
    all: readonly H[],
    snapshot: Snapshot,
  ): Promise<FillReport<H>> {
    const invalid: { held: H; error: unknown }[] = [];
    const unfilled = new Set(all);
    const turns = createTurns<FillReply>(store);
    let bytes = 0;
    let stored = 0;
    const closeWindow = async (): Promise<void> => {
      stored += (await turns.replies()).filter((reply) => reply === 'stored').length;
      bytes = 0;
    };
    for (const fill of fills) {
      const { held } = fill;
      try {
        const represented = fill.represented ?? represent(held.entity, fill.document, entropy.digest);
        if (!represented.cacheable) {
          observe({ kind: 'fill', entity: held.entity.name, by, outcome: 'too-large', recordKey: held.recordKey });
          continue;
        }
        unfilled.delete(held);
        turns.add(fillOne(fill, represented, snapshot));
        bytes += represented.value.state === 'value' ? represented.value.body.length : 0;
      } catch (error) {
        invalid.push({ held, error });
      }
      if (turns.isOver()) await turns.next();
      if (bytes >= WINDOW_BYTES) await closeWindow();
    }
    const given = [...unfilled].map(({ recordKey, token }) => store.release(recordKey, token));
    await closeWindow();
    await allSettled(given);
    return { stored, invalid };
  }

  async function fillOne(fill: Fill<Held>, represented: Represented, snapshot: Snapshot): Promise<FillReply> {
    const { held, version, asOf, guarantee, expiresAt, identity } = fill;
    const { entity, recordKey, token } = held;
    const leftMs = expiresAt === undefined ? undefined : expiresAt - generations.storeTime(snapshot);
    const life = lifetimeUnder(guarantee, options.provisionalMs, entity, represented, {
      jitter: options.jitter,
      random: entropy.random(),
      leftMs,
    });
    const { value } = represented;
    const stamp = generations.stamp(entity, snapshot);
    const begunAt = snapshot.storeTimeMs;
    const request = { token, identity, stamp, version, asOf, guarantee, value, begunAt, ...life };
    const reply = await store.fill(recordKey, request);
    observe({ kind: 'fill', entity: entity.name, by, outcome: outcomeOf(reply, guarantee), recordKey });
    return reply;
  }

  return fillAll;
}

export function outcomeOf(reply: FillReply, guarantee: Guarantee): FillOutcome {
  return reply === 'stored' && guarantee === 'provisional' ? 'stored-provisionally' : reply;
}

/** So many calls go out while the next are made. */
const TURN = 128;

/** Many calls of the store, a turn at a time, so that it works at the first while the others are made. */
export function createTurns<T>(store: Pick<Store, 'sent'>) {
  let turn: Promise<T>[] = [];
  let turns: Promise<PromiseSettledResult<T>[]>[] = [];
  return {
    add: (call: Promise<T>) => void turn.push(call),
    isOver: () => turn.length >= TURN,
    async next(): Promise<void> {
      turns.push(Promise.allSettled(turn));
      turn = [];
      await store.sent?.();
    },
    /** Those of all calls since it was asked last, once every one has ended. Rejects with the first failure. */
    async replies(): Promise<readonly T[]> {
      const all = Promise.all([...turns, Promise.allSettled(turn)]);
      [turn, turns] = [[], []];
      return valuesOf((await all).flat());
    },
  };
}

/** All results once every call has ended, so that nothing still runs when the first failure is thrown. */
export async function allSettled<T extends readonly unknown[]>(calls: readonly [...T]): Promise<Settled<T>> {
  return valuesOf(await Promise.allSettled(calls as readonly Promise<unknown>[])) as Settled<T>;
}

function valuesOf<T>(results: readonly PromiseSettledResult<T>[]): T[] {
  return results.map((result) => {
    if (result.status === 'rejected') throw result.reason;
    return result.value;
  });
}

type Settled<T extends readonly unknown[]> = { -readonly [K in keyof T]: Awaited<T[K]> };
