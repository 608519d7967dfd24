// The read algorithm for many keys of one entity: one pipelined look-up, one grouped load for what is missing. Each key
// has its own outcome; what one of them meets does not touch the others.

import { type Entity, type Represented, represent } from '../entity.ts';
import { isSourceError, isStoreError, isWarmfeedError } from '../errors.ts';
import { type Key, keyText } from '../key.ts';
import type { SourceRead } from '../ports.ts';
import { createFiller, type Fill, type Held } from '../protocol/fill.ts';
import type { Snapshot } from '../protocol/generations.ts';
import { createLookUp } from '../protocol/look-up.ts';
import { decodeEntry, type Entry } from '../record.ts';
import { createManyLoader, type LeasedKey, type LoadedKey, type ManyLoaderDeps } from './load-many.ts';
import { judge, NO_DIRECTIVES, servesOnError } from './policy.ts';
import type { Reader } from './read.ts';

export type ManyAnswer =
  | { readonly kind: 'cached'; readonly how: 'hit' | 'stale' | 'stale-if-error'; readonly entry: Entry }
  | { readonly kind: 'loaded'; readonly how: 'miss' | 'bypass'; readonly represented: Represented }
  | { readonly kind: 'failed'; readonly error: unknown };

interface Wanted {
  readonly text: string;
  readonly key: Key;
}

export interface ManyReaderDeps extends ManyLoaderDeps {
  /** For keys that others load, and those that the source refused to read together. */
  readonly reader: Reader;
}

export function createManyReader(deps: ManyReaderDeps) {
  const { keys, generations, entropy, observe, reader } = deps;
  const { many: lookUp } = createLookUp(deps);
  const many = createManyLoader(deps);
  const fillAll = createFiller(deps, 'read');
  const background = new Set<Promise<unknown>>();

  /** Answers in the order of the keys; a key that stands there twice is loaded once. */
  async function readMany(entity: Entity, all: readonly Key[]): Promise<readonly ManyAnswer[]> {
    const texts = all.map(keyText);
    const wanted = [...new Map(all.map((key, i) => [texts[i] ?? '', key]))].map(([text, key]) => ({ text, key }));
    const answers = new Map<string, ManyAnswer>();
    const cached = await lookUp(
      entity,
      wanted.map(({ key }) => keys.record(entity.name, key)),
    );
    const stale: Wanted[] = [];
    const missing: Wanted[] = [];
    wanted.forEach((one, i) => {
      const found = cached[i];
      const verdict = judge(found?.entry, found?.nowMs ?? 0, NO_DIRECTIVES, entity.staleForMs, found?.isPurged);
      if (found === undefined || (verdict !== 'hit' && verdict !== 'stale')) return void missing.push(one);
      if (verdict === 'stale') stale.push(one);
      answers.set(one.text, { kind: 'cached', how: verdict, entry: found.entry });
    });
    if (stale.length > 0) inBackground(entity, stale);
    if (missing.length > 0) await loadMissing(entity, missing, answers);
    return texts.map((text) => answers.get(text) as ManyAnswer);
  }

  async function loadMissing(entity: Entity, missing: readonly Wanted[], answers: Map<string, ManyAnswer>) {
    const taken = await take(entity, missing);
    if (taken === undefined) return readPast(entity, missing, answers);
    const { snapshot, asked } = taken;
    const held: LeasedKey[] = [];
    const others: Wanted[] = [];
    asked.forEach(({ held: lease, reply }, i) => {
      const one = missing[i] as Wanted;
      const entry = reply.kind === 'live' ? decodeEntry(reply.record) : undefined;
      if (entry !== undefined) answers.set(one.text, { kind: 'cached', how: 'hit', entry });
      else if (reply.kind === 'granted') held.push(lease);
      else others.push(one);
    });
    await Promise.all([
      held.length === 0 ? undefined : loadHeld(entity, held, snapshot, answers),
      readEach(entity, others, answers),
    ]);
  }

  /** Undefined: the cache cannot be asked. */
  async function take(entity: Entity, wanted: readonly Wanted[]) {
    try {
      // Before the leases: what is filled under them is of this generation.
      const snapshot = await generations.refresh();
      const asked = await many.lease(
        entity,
        wanted.map(({ key }) => key),
        snapshot,
      );
      return { snapshot, asked };
    } catch (error) {
      if (!isStoreError(error)) throw error;
      observe({ kind: 'store-failed', during: 'lease', error });
      return undefined;
    }
  }

  async function loadHeld(
    entity: Entity,
    held: readonly LeasedKey[],
    snapshot: Snapshot,
    answers: Map<string, ManyAnswer>,
  ): Promise<void> {
    try {
      const { loaded } = await many.load(entity, held, snapshot);
      const fills = loaded.flatMap((one) => fillOf(entity, one, answers));
      await fillAll(fills, held, snapshot);
    } catch (error) {
      await many.release(held);
      const left = held.filter(({ key }) => !answers.has(keyText(key))).map(({ key }) => ({ key, text: keyText(key) }));
      if (isStoreError(error)) {
        observe({ kind: 'store-failed', during: 'fill', error });
        await readPast(entity, left, answers);
      } else {
        await afterFailure(entity, left, error, answers);
      }
    }
  }

  /** The answer of one key, and what is to be filled of it. */
  function fillOf(
    entity: Entity,
    { held, answer, guarantee, identity }: LoadedKey,
    answers: Map<string, ManyAnswer>,
  ): Fill<Held>[] {
    const told = tell(entity, keyText(held.key), answer, 'miss', answers);
    return told === undefined || guarantee === undefined
      ? []
      : [{ ...answer, held, guarantee, identity, represented: told }];
  }

  function tell(
    entity: Entity,
    text: string,
    answer: SourceRead,
    how: 'miss' | 'bypass',
    answers: Map<string, ManyAnswer>,
  ): Represented | undefined {
    try {
      const represented = represent(entity, answer.document, entropy.digest);
      answers.set(text, { kind: 'loaded', how, represented });
      return represented;
    } catch (error) {
      answers.set(text, { kind: 'failed', error });
      return undefined;
    }
  }

  /** Without the cache. */
  async function readPast(entity: Entity, wanted: readonly Wanted[], answers: Map<string, ManyAnswer>) {
    try {
      const read = await entity.source.readMany(wanted.map(({ key }) => key));
      wanted.forEach(({ text }, i) => tell(entity, text, read[i] as SourceRead, 'bypass', answers));
    } catch (error) {
      await afterFailure(entity, wanted, error, answers);
    }
  }

  /** What the source refuses for one key, it refused for all that were read with it: those are asked for alone. */
  async function afterFailure(
    entity: Entity,
    wanted: readonly Wanted[],
    error: unknown,
    answers: Map<string, ManyAnswer>,
  ): Promise<void> {
    if (!isSourceError(error)) throw error;
    observe({ kind: 'source-failed', entity: entity.name, error });
    if (error.code === 'SOURCE_REJECTED' && wanted.length > 1) return readEach(entity, wanted, answers);
    const cached = await lookUp(
      entity,
      wanted.map(({ key }) => keys.record(entity.name, key)),
    );
    wanted.forEach(({ text }, i) => {
      const found = cached[i];
      const mayServe = found !== undefined && servesOnError(found.entry, found.nowMs, entity.staleIfErrorMs);
      answers.set(
        text,
        mayServe ? { kind: 'cached', how: 'stale-if-error', entry: found.entry } : { kind: 'failed', error },
      );
    });
  }

  async function readEach(entity: Entity, wanted: readonly Wanted[], answers: Map<string, ManyAnswer>): Promise<void> {
    await Promise.all(
      wanted.map(async ({ text, key }) => {
        try {
          const answer = await reader.read({ entity, key, directives: NO_DIRECTIVES });
          if (answer.kind === 'cached') answers.set(text, answer);
          else if (answer.kind === 'loaded') {
            answers.set(text, { ...answer, how: answer.how === 'bypass' ? 'bypass' : 'miss' });
          }
        } catch (error) {
          if (!isWarmfeedError(error)) throw error;
          answers.set(text, { kind: 'failed', error });
        }
      }),
    );
  }

  function inBackground(entity: Entity, stale: readonly Wanted[]): void {
    const work = refreshStale(entity, stale)
      .catch((error: unknown) => observe({ kind: 'source-failed', entity: entity.name, error }))
      .finally(() => background.delete(work));
    background.add(work);
  }

  /** Only what nobody else loads already. */
  async function refreshStale(entity: Entity, stale: readonly Wanted[]): Promise<void> {
    const taken = await take(entity, stale);
    const held = taken?.asked.filter(({ reply }) => reply.kind === 'granted').map(({ held: one }) => one) ?? [];
    if (taken !== undefined && held.length > 0) await loadHeld(entity, held, taken.snapshot, new Map());
  }

  /** Waits for refreshes that outlived their request. */
  async function drain(): Promise<void> {
    await Promise.allSettled(background);
  }

  return { readMany, drain };
}

export type ManyReader = ReturnType<typeof createManyReader>;
