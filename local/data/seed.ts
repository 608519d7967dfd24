/** Database, containers and first data. Nothing is written to a container that already holds a document. */
import type { Container, CosmosClient, Database, JSONObject, OperationInput } from '@azure/cosmos';
import { StackError } from '../services/service.ts';
import { type Airport, airports, type Note, note } from './airports.ts';

const batchSize = 100;
const concurrency = 8;

export interface Seeded {
  /** 0 if there was something already. */
  written: number;
  database: Database;
}

export interface SeedOptions {
  database: string;
  leases: string;
  onProgress?: (done: number, all: number) => void;
}

export async function seed(client: CosmosClient, options: SeedOptions): Promise<Seeded> {
  const { database } = await client.databases.createIfNotExists({ id: options.database });
  const [{ container }] = await Promise.all([
    database.containers.createIfNotExists({ id: 'airports', partitionKey: { paths: ['/country'] } }),
    // Leases may carry a `ttl` of their own, as the real trigger's do.
    database.containers.createIfNotExists({ id: options.leases, partitionKey: { paths: ['/id'] }, defaultTtl: -1 }),
  ]);
  const { resources } = await container.items.readAll({ maxItemCount: 1 }).fetchNext();
  if ((resources ?? []).length > 0) return { written: 0, database };
  return { written: await write(container, [...airports(), note], options.onProgress ?? (() => {})), database };
}

/** Transactional batches of one country each: unlike the SDK's bulk call, they neither wait a second nor hide progress. */
async function write(
  container: Container,
  documents: (Airport | Note)[],
  onProgress: (done: number, all: number) => void,
): Promise<number> {
  const queue = [...Map.groupBy(documents, ({ country }) => country)].flatMap(([country, group]) =>
    chunks(group, batchSize).map((chunk) => ({ country, chunk })),
  );
  let done = 0;
  const worker = async (): Promise<void> => {
    for (let next = queue.shift(); next; next = queue.shift()) {
      const operations = next.chunk.map((document): OperationInput => {
        return { operationType: 'Upsert', resourceBody: document as unknown as JSONObject };
      });
      const { result, code } = await container.items.batch(operations, next.country);
      const failed = result?.find(({ statusCode }) => statusCode >= 300);
      if (!result || failed) {
        throw new StackError(`Seeding ${next.country} failed with status ${failed?.statusCode ?? code ?? '?'}.`);
      }
      done += next.chunk.length;
      onProgress(done, documents.length);
    }
  };
  await Promise.all(Array.from({ length: concurrency }, worker));
  return done;
}

const chunks = <T>(all: readonly T[], size: number): T[][] =>
  Array.from({ length: Math.ceil(all.length / size) }, (_, index) => all.slice(index * size, (index + 1) * size));
