/** A row in PostgreSQL, read and written as JSON. */
import type { TableEntity } from '../data/entities.ts';
import { messageOf, StackError } from '../services/service.ts';
import type { Fields, ItemStore } from './item-store.ts';

export async function openPostgresItem(url: string, entity: TableEntity, key: readonly string[]): Promise<ItemStore> {
  const { default: pg } = await import('pg');
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 5_000 });
  client.on('error', () => {});
  await client.connect().catch(refused);
  const table = `${pg.escapeIdentifier(entity.schema)}.${pg.escapeIdentifier(entity.table)}`;
  const given = JSON.stringify(Object.fromEntries(entity.key.map((name, at) => [name, key[at]])));
  const same = entity.key
    .map((name) => `t.${pg.escapeIdentifier(name)} = r.${pg.escapeIdentifier(name)}`)
    .join(' AND ');
  /** $1 is JSON of columns. */
  const record = `jsonb_populate_record(NULL::${table}, $1) r`;
  const run = (text: string, values: Fields | string) =>
    client.query<{ row: Fields }>(text, [typeof values === 'string' ? values : JSON.stringify(values)]).catch(refused);
  let found: Fields | undefined;
  return {
    async read() {
      found = (await run(`SELECT to_jsonb(t) AS row FROM ${table} t, ${record} WHERE ${same}`, given)).rows[0]?.row;
      return found;
    },
    async write(fields) {
      const keyed = { ...(JSON.parse(given) as Fields), ...fields };
      if (!found) {
        const columns = { ...entity.defaults, ...keyed };
        const names = Object.keys(columns)
          .map((name) => pg.escapeIdentifier(name))
          .join(', ');
        await run(`INSERT INTO ${table} (${names}) SELECT ${names} FROM ${record}`, columns);
        return;
      }
      const unknown = Object.keys(fields).find((name) => !Object.hasOwn(found ?? {}, name));
      if (unknown !== undefined) throw new StackError(`${entity.table} has no column '${unknown}'.`);
      const names = Object.keys(fields).map((name) => pg.escapeIdentifier(name));
      const assignments = names.map((name) => `${name} = r.${name}`).join(', ');
      await run(`UPDATE ${table} t SET ${assignments} FROM ${record} WHERE ${same}`, keyed);
    },
    remove: async () => void (await run(`DELETE FROM ${table} t USING ${record} WHERE ${same}`, given)),
    close: () => client.end(),
  };
}

const refused = (error: unknown): never => {
  throw new StackError(`PostgreSQL refused: ${messageOf(error)}`);
};
