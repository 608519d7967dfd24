// Warm jobs on Redis: a hash for each, and a list of the newest.

import type { RedisKeys } from '../core/key.ts';
import {
  NO_PROGRESS,
  type WarmJob,
  type WarmJobStore,
  type WarmProgress,
  type WarmSpec,
  type WarmState,
} from '../core/ops/warm-jobs.ts';
import type { RedisConnection } from './connection.ts';
import { createRunner, SCRIPTS, texts } from './scripts.ts';
import { createCall } from './store.ts';

const KEEP_MS = 7 * 86_400_000;
const LISTED = 100;

export function createJobStore(connection: RedisConnection, keys: RedisKeys): WarmJobStore {
  const run = createRunner(connection);
  const call = createCall(connection);
  const list = keys.warmJobs;

  async function job(id: string): Promise<WarmJob | undefined> {
    const key = keys.warmJob(id);
    const { spec, state, progress, updated } = await call(() => connection.send(key, (node) => node.hgetall(key)));
    if (spec === undefined || state === undefined) return undefined;
    return {
      spec: JSON.parse(spec) as WarmSpec,
      state: state as WarmState,
      progress: progress === undefined ? NO_PROGRESS : (JSON.parse(progress) as WarmProgress),
      updatedAt: Number(updated),
    };
  }

  return {
    job,

    async create(spec) {
      const key = keys.warmJob(spec.id);
      const fields = { spec: JSON.stringify(spec), state: 'queued', updated: String(spec.createdAt) };
      await call(() =>
        connection.send(key, (node) => Promise.all([node.hset(key, fields), node.pexpire(key, KEEP_MS)])),
      );
      await call(() =>
        connection.send(list, (node) =>
          Promise.all([
            node.zadd(list, spec.createdAt, spec.id),
            node.zremrangebyrank(list, 0, -1 - LISTED),
            node.pexpire(list, KEEP_MS),
          ]),
        ),
      );
    },

    async jobs(limit) {
      const ids = await call(() => connection.send(list, (node) => node.zrevrange(list, 0, limit - 1)));
      return (await Promise.all(ids.map(job))).filter((found) => found !== undefined);
    },

    async step(id, { owner, leaseMs, progress, end = '' }) {
      const args = [owner, leaseMs, progress === undefined ? '' : JSON.stringify(progress), end];
      const [state = ''] = texts([await call(() => run(SCRIPTS['warm-step'], keys.warmJob(id), args))]);
      return state === '' ? undefined : (state as WarmState);
    },

    async turn(id, to, from) {
      return (await call(() => run(SCRIPTS['warm-turn'], keys.warmJob(id), [to, ...from]))) === 1;
    },
  };
}
