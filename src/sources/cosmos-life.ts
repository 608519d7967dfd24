// How long a container's items live: its default time to live, asked for once a minute. Without it the `ttl` of a document
// means nothing, and a document without one may expire all the same.

import type { Document } from '../core/ports.ts';

/** Seconds; -1: only where a document says so; `off`: never; `unknown`: it could not be asked. */
export type DefaultTtl = number | 'off' | 'unknown';

export interface ContainerLife {
  /** Waits only where it was never asked for. Never rejects. */
  readonly defaultTtl: () => Promise<DefaultTtl>;
  /** As it was last told. */
  readonly known: () => DefaultTtl;
}

const FRESH_MS = 60_000;

export function createContainerLife(ask: () => Promise<{ readonly defaultTtl: DefaultTtl }>): ContainerLife {
  let last: { readonly at: number; readonly value: DefaultTtl } | undefined;
  let asking: Promise<void> | undefined;

  async function look(): Promise<void> {
    // What cannot be asked now stays as it was.
    const value = await ask().then(
      (container) => container.defaultTtl,
      () => known(),
    );
    last = { at: performance.now(), value };
  }

  function known(): DefaultTtl {
    return last?.value ?? 'unknown';
  }

  async function defaultTtl(): Promise<DefaultTtl> {
    if (last === undefined || performance.now() - last.at > FRESH_MS) {
      asking ??= look().finally(() => {
        asking = undefined;
      });
    }
    if (last === undefined) await asking;
    return known();
  }

  return { defaultTtl, known };
}

/** When the service drops the item: its life after its last write. */
export function expiryOf(document: Document, byDefault: DefaultTtl): { expiresAt?: number } {
  const { ttl, _ts: writtenAt } = document;
  const seconds = typeof ttl === 'number' && byDefault !== 'off' ? ttl : byDefault;
  if (typeof seconds !== 'number' || typeof writtenAt !== 'number' || !(seconds > 0)) return {};
  return { expiresAt: (writtenAt + seconds) * 1000 };
}
