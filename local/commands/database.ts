/** One item in whichever database holds its entity. */
import { givenSettings } from '../services/given.ts';
import { StackError } from '../services/service.ts';
import { type Item, runningStack } from './access.ts';
import { openCosmosItem } from './cosmos-item.ts';
import type { ItemStore } from './item-store.ts';
import { openPostgresItem } from './postgres-item.ts';
import { root } from './root.ts';
import { openSqlItem } from './sql-item.ts';

export async function openItem({ entity, key }: Item): Promise<ItemStore> {
  const state = runningStack();
  const given = givenSettings(root);
  const connection = (name: string, running: string | undefined): string => {
    const found = given[name] ?? running;
    if (found) return found;
    throw new StackError(`No local stack is running here: start one with \`npm start\`, or set ${name}.`);
  };
  if (entity.kind !== 'cosmos') {
    return entity.kind === 'postgres'
      ? openPostgresItem(connection('POSTGRES', state?.postgres), entity, key)
      : openSqlItem(connection('SQL', state?.sql), entity, key);
  }
  const database = given['COSMOS_DATABASE'] ?? state?.database ?? 'warmfeed';
  return openCosmosItem({ connectionString: connection('COSMOS', state?.cosmos), database }, entity, key);
}
