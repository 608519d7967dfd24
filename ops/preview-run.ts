/** Opens the configuration's sources and Redis, and looks at documents of one entity; nothing is written anywhere. */

import { clock, entropy } from '../src/compose/runtime.ts';
import { openSources } from '../src/compose/sources.ts';
import type { CacheDefinition } from '../src/config/define.ts';
import { type ResolvedConfig, resolveConfig } from '../src/config/resolve.ts';
import { hex } from '../src/core/bytes.ts';
import type { Entity } from '../src/core/entity.ts';
import { type Key, keyText, redisKeys } from '../src/core/key.ts';
import type { Store } from '../src/core/ports.ts';
import { createGenerations } from '../src/core/protocol/generations.ts';
import { createRedisConnection, type RedisConnection } from '../src/redis/connection.ts';
import { entraTokens } from '../src/redis/identity.ts';
import { type Looked, look } from './preview-look.ts';
import { type Recent, recentKeys } from './preview-sample.ts';

export interface Preview {
  readonly entity: string;
  readonly source: string;
  readonly fingerprint: string;
  /** How the documents were chosen, in words. */
  readonly chosen: string;
  readonly redis: 'ok' | 'cannot be reached';
  readonly documents: readonly Looked[];
  /** Queries made of it: their results become old with it. */
  readonly queries: readonly string[];
}

const PATIENCE_MS = 1500;

/** @throws ConfigError with every fault of configuration and settings */
export function openPreview(definition: CacheDefinition, settings: Readonly<Record<string, string>>) {
  const config = resolveConfig(definition, settings);
  const silent = { source: <T>(source: T) => source, onBreaker: () => undefined };
  const { watched, polled, closeSources } = openSources(config, silent);
  const opened = [...watched, ...polled];
  const entities = opened.flatMap((place) => place.entities);
  const connection = connect(config);
  const keys = redisKeys(config.settings.WARMFEED_APP);
  const store = generationsIn(connection);
  const generations = createGenerations({ store, key: keys.generations, clock, entities, ttlMs: 0 });

  async function preview(entity: Entity, sample: { limit: number; since: number | undefined }): Promise<Preview> {
    const place = polled.find((one) => one.entities.some((own) => own.name === entity.name));
    const recent = await recentKeys(entity.source, {
      ...sample,
      log: place?.definition.kind === 'postgres' ? place.log : undefined,
    });
    await connection.settled();
    const isUp = connection.ready();
    const documents = await looks(entity, recent, isUp);
    const queries = config.queries.filter(({ of }) => of.includes(entity.name));
    return {
      entity: entity.name,
      source: entity.source.name,
      fingerprint: hex(entity.fingerprint),
      chosen: recent.chosen,
      redis: isUp ? 'ok' : 'cannot be reached',
      documents,
      queries: queries.map(({ title }) => title),
    };
  }

  async function looks(entity: Entity, recent: Recent, isUp: boolean): Promise<readonly Looked[]> {
    const first = await lookAt(entity, recent.keys, isUp);
    const differing = first.filter(({ cached }) => cached === 'differs').map(({ key }) => key);
    if (differing.length === 0) return first;
    // A change that is on its way looks like one of the configuration, and is gone a moment later.
    await clock.sleep(PATIENCE_MS);
    const again = recent.keys.filter((key) => differing.includes(keyText(key)));
    const second = new Map((await lookAt(entity, again, isUp)).map((looked) => [looked.key, looked]));
    return first.map((looked) => second.get(looked.key) ?? looked);
  }

  async function lookAt(entity: Entity, all: readonly Key[], isUp: boolean): Promise<readonly Looked[]> {
    if (all.length === 0) return [];
    const answers = await entity.source.readMany(all);
    const stamp = isUp ? generations.stamp(entity, await generations.refresh()) : undefined;
    const records = isUp ? await Promise.all(all.map((key) => recordOf(keys.record(entity.name, key)))) : [];
    return all.map((key, i) =>
      look(
        entity,
        { key, document: answers[i]?.document, record: records[i] ?? undefined, stamp, nowMs: Date.now() },
        entropy.digest,
      ),
    );
  }

  const recordOf = (name: string) => connection.send(name, (node) => node.getBuffer(name));

  return {
    entities,
    preview,
    async close() {
      await Promise.all([closeSources(), connection.close()]);
    },
  };
}

function connect({ settings }: ResolvedConfig): RedisConnection {
  return createRedisConnection({
    url: settings.REDIS_URL,
    clustering: settings.WARMFEED_REDIS_CLUSTERING,
    tokens: settings.REDIS_URL__credential === 'managedidentity' ? entraTokens() : undefined,
    connectTimeoutMs: settings.WARMFEED_REDIS_CONNECT_TIMEOUT,
    onError: (error) => process.stderr.write(`${error.message}\n`),
  });
}

/** Generations as they are; none is made. */
function generationsIn(connection: RedisConnection): Store {
  const generations: Store['generations'] = async (key, fields) => {
    const values = await connection.send(key, (node) => node.hmget(key, ...fields));
    return { values: values.map((value) => value ?? ''), timeMs: Date.now(), purgesVersion: '', purges: undefined };
  };
  return { generations } as Store;
}
