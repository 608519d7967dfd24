// The store with a memory: what the core called, and what came back.

import { hex } from '../../../src/core/bytes.ts';
import type { Store } from '../../../src/core/ports.ts';
import type { Recorder, StoreCall } from './history.ts';

type Asked = Pick<StoreCall, 'call' | 'key'> &
  Partial<Pick<StoreCall, 'token' | 'version' | 'identity' | 'ms' | 'isForced'>>;

export interface RecordedOptions {
  readonly process: number;
  /** For so long after a bump a process may go by what it read before. */
  readonly generationMs: number;
}

export function recorded(store: Store, { history, tick, lose }: Recorder, options: RecordedOptions): Store {
  const { process, generationMs } = options;

  async function note<T>(asked: Asked, work: () => Promise<T>, reply: (got: T) => string): Promise<T> {
    const begun = tick();
    const begunMs = performance.now();
    let told: string | undefined;
    try {
      const got = await work();
      told = reply(got);
      return got;
    } finally {
      const times = { begun, ended: tick(), begunMs, endedMs: performance.now() };
      const nothing = { token: '', version: undefined, identity: '', ms: 0, isForced: false };
      history.calls.push({ process, ...nothing, ...asked, ...times, reply: told });
    }
  }

  return {
    ...store,
    lease(key, request) {
      const asked: Asked = {
        call: 'lease',
        key,
        token: hex(request.token),
        ms: request.leaseMs,
        isForced: request.force,
      };
      return note(
        asked,
        () => store.lease(key, request),
        ({ kind }) => kind,
      );
    },
    release(key, token) {
      return note(
        { call: 'release', key, token: hex(token) },
        () => store.release(key, token),
        () => 'released',
      );
    },
    fill(key, request) {
      const { token, version, identity } = request;
      const of = { token: hex(token), version: Number(version), identity: hex(identity) };
      const asked: Asked = { call: 'fill', key, ...of };
      return note(
        asked,
        () => store.fill(key, request),
        (reply) => reply,
      );
    },
    invalidate(key, request) {
      const { token, fenceMs, version, identity } = request;
      const of = { token: hex(token), identity: hex(identity), ms: fenceMs };
      const asked: Asked = {
        call: 'invalidate',
        key,
        ...of,
        ...(version === undefined ? {} : { version: Number(version) }),
      };
      return note(
        asked,
        () => store.invalidate(key, request),
        (reply) => reply,
      );
    },
    async generations(...asked) {
      const begunMs = performance.now();
      let isAnswered = false;
      try {
        const reply = await store.generations(...asked);
        isAnswered = true;
        return reply;
      } finally {
        history.generations.push({ process, begunMs, endedMs: performance.now(), isAnswered });
      }
    },
    async bump(key, field, seen) {
      // Without a reply it may still be done.
      const end = lose('everything');
      const made = await store.bump(key, field, seen);
      setTimeout(end, generationMs);
      return made;
    },
    drop(key) {
      return note(
        { call: 'drop', key },
        () => store.drop(key),
        () => 'dropped',
      );
    },
    watermark(key, generation) {
      const told = (got: Awaited<ReturnType<Store['watermark']>>) =>
        got.state === 'known' ? `known ${got.position}` : got.state === 'unknown' ? `unknown ${got.ageMs}` : got.state;
      return note({ call: 'watermark', key, token: generation }, () => store.watermark(key, generation), told);
    },
  };
}
