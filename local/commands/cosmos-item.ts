/** A document in Cosmos DB. Deleting sets `deleted`, because the latest-version change feed does not tell of real deletes. */
import type { CosmosEntity } from '../data/entities.ts';
import { StackError } from '../services/service.ts';
import type { Fields, ItemStore } from './item-store.ts';

/** What only the database sets. */
export const systemProperties = ['_rid', '_self', '_etag', '_ts', '_attachments', '_lsn'];

interface Place {
  connectionString: string;
  database: string;
}

type Document = Fields & { id: string };

export async function openCosmosItem(place: Place, entity: CosmosEntity, key: readonly string[]): Promise<ItemStore> {
  const { CosmosClient } = await import('@azure/cosmos');
  const client = new CosmosClient(place.connectionString);
  const container = client.database(place.database).container(entity.container);
  const id = key.at(-1) ?? '';
  const handle = container.item(id, key.slice(0, -1));
  let found: { document: Document; etag: string } | undefined;
  return {
    async read() {
      const { resource, etag } = await handle.read<Document>();
      found = resource === undefined ? undefined : { document: resource, etag };
      return resource;
    },
    async write(fields) {
      const added = { ...entity.defaults, ...Object.fromEntries(entity.key.map((name, at) => [name, key[at]])) };
      const kept = Object.entries(found?.document ?? added).filter(([name]) => !systemProperties.includes(name));
      // A document that was deleted softly comes back.
      const present = kept.filter(([name, value]) => !(name === 'deleted' && value === true));
      const document = { id, ...Object.fromEntries(present), ...fields };
      const condition = found ? { accessCondition: { type: 'IfMatch', condition: found.etag } } : {};
      await container.items.upsert(document, condition).catch(refused);
    },
    remove: async () => void (await handle.patch([{ op: 'set', path: '/deleted', value: true }]).catch(refused)),
    removeHard: async () => void (await handle.delete().catch(refused)),
    async close() {
      client.dispose();
    },
  };
}

function refused(error: unknown): never {
  const { code, message } = error as { code?: number | string; message?: string };
  if (code === 412) throw new StackError('Another write came in between; try again.');
  throw new StackError(`Cosmos DB refused the write (${String(code)}): ${message ?? ''}`);
}
