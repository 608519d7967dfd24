// Warming: reads a source from end to end, in pages, and caches what is not cached yet, under ordinary leases and
// fills: never over something newer. It can be paced, cancelled and resumed.

import type { Entity } from '../entity.ts';
import type { Key } from '../key.ts';
import type { Clock, ScanRequest, SourceRead } from '../ports.ts';
import { createFiller, type Fill, type Held } from '../protocol/fill.ts';
import { createManyLoader, type ManyLoaderDeps } from '../read/load-many.ts';

export interface WarmDeps extends ManyLoaderDeps {
  readonly clock: Clock;
}

export interface WarmRequest {
  readonly entity: Entity;
  /** Where an earlier run stopped; undefined: from the start. */
  readonly continuation?: string;
  readonly pageSize?: number;
  /** Bound of what the source may be asked for, in its own units (request units) a second. */
  readonly unitsPerSecond?: number;
  /** Aborted: it ends after the page that it is at. */
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: WarmProgress) => void;
}

export interface WarmProgress {
  readonly scanned: number;
  /** Cached now by this run. */
  readonly filled: number;
  /** Cached already, or being loaded by somebody else. */
  readonly skipped: number;
  readonly units: number;
  /** Hand it to a later run to go on from here; undefined: everything was read. */
  readonly continuation: string | undefined;
}

const PAGE_SIZE = 100;

export function createWarm(deps: WarmDeps) {
  const { clock } = deps;
  const pages = createWarmPages(deps);

  /** @throws WarmfeedError STORE_* or SOURCE_*: what was done so far was told to `onProgress` */
  async function warm(request: WarmRequest): Promise<WarmProgress> {
    const { entity, signal, unitsPerSecond, pageSize = PAGE_SIZE } = request;
    let progress: WarmProgress = { scanned: 0, filled: 0, skipped: 0, units: 0, continuation: request.continuation };
    const began = clock.now();
    for (;;) {
      const done = await pages.page(entity, { limit: pageSize, ...continuing(progress.continuation) });
      progress = {
        scanned: progress.scanned + done.scanned,
        filled: progress.filled + done.filled,
        skipped: progress.skipped + done.skipped,
        units: progress.units + done.units,
        continuation: done.continuation,
      };
      request.onProgress?.(progress);
      if (unitsPerSecond !== undefined) {
        const ahead = (progress.units / unitsPerSecond) * 1000 - (clock.now() - began);
        if (ahead > 0) await clock.sleep(ahead);
      }
      if (progress.continuation === undefined || signal?.aborted === true) return progress;
    }
  }

  return warm;
}

export type Warm = ReturnType<typeof createWarm>;

/** One page at a time, for whoever keeps the progress himself. Each method rejects with WarmfeedError STORE_* or SOURCE_*. */
export function createWarmPages(deps: ManyLoaderDeps) {
  const { generations } = deps;
  const many = createManyLoader(deps);
  const fillAll = createFiller(deps);

  async function page(entity: Entity, request: ScanRequest): Promise<WarmProgress> {
    const scanned = await entity.source.scan(request);
    const done = await warmPage(entity, scanned.keys);
    return {
      ...done,
      scanned: scanned.keys.length,
      units: scanned.units + done.units,
      continuation: scanned.continuation,
    };
  }

  async function keys(entity: Entity, some: readonly Key[]): Promise<WarmProgress> {
    return { ...(await warmPage(entity, some)), scanned: some.length, continuation: undefined };
  }

  async function warmPage(entity: Entity, all: readonly Key[]) {
    const snapshot = await generations.refresh();
    const asked = await many.lease(entity, all, snapshot);
    const held = asked.filter(({ reply }) => reply.kind === 'granted').map((one) => one.held);
    if (held.length === 0) return { filled: 0, skipped: all.length, units: 0 };
    try {
      const { loaded, units } = await many.load(entity, held, snapshot);
      const fills = loaded.flatMap(({ answer, guarantee, ...of }): Fill<Held>[] =>
        guarantee === undefined || !isWanted(entity, answer) ? [] : [{ ...answer, ...of, guarantee }],
      );
      const { stored } = await fillAll(fills, held, snapshot);
      return { filled: stored, skipped: all.length - held.length, units };
    } catch (error) {
      await many.release(held);
      throw error;
    }
  }

  return { page, keys };
}

export type WarmPages = ReturnType<typeof createWarmPages>;

/** What is not there is not worth a key; what cannot be told is left to the filler, which reports it. */
function isWanted(entity: Entity, { document }: SourceRead): boolean {
  if (document === undefined) return false;
  try {
    return entity.match(document) && !entity.deletedWhen(document);
  } catch {
    return true;
  }
}

function continuing(continuation: string | undefined): { continuation?: string } {
  return continuation === undefined ? {} : { continuation };
}
