/** A row in SQL Server, Azure SQL or the emulator; values go as text, which the columns' types take. */
import type { Request } from 'mssql';
import type { TableEntity } from '../data/entities.ts';
import { messageOf, StackError } from '../services/service.ts';
import type { Fields, ItemStore } from './item-store.ts';

const quoted = (name: string): string => `[${name.replaceAll(']', ']]')}]`;

export async function openSqlItem(connection: string, entity: TableEntity, key: readonly string[]): Promise<ItemStore> {
  const { default: sql } = await import('mssql');
  const pool = new sql.ConnectionPool(connection);
  pool.on('error', () => {});
  await pool.connect().catch(refused);
  const table = `${quoted(entity.schema)}.${quoted(entity.table)}`;
  const same = entity.key.map((name, at) => `${quoted(name)} = @key${at}`).join(' AND ');
  const request = (fields: Fields = {}): Request => {
    const made = pool.request();
    key.forEach((segment, at) => made.input(`key${at}`, sql.NVarChar(sql.MAX), segment));
    Object.values(fields).forEach((value, at) => made.input(`value${at}`, sql.NVarChar(sql.MAX), textOf(value)));
    return made;
  };
  const run = (text: string, fields?: Fields) => request(fields).query<Fields>(text).catch(refused);
  let found: Fields | undefined;
  return {
    async read() {
      found = (await run(`SELECT * FROM ${table} WHERE ${same}`)).recordset[0];
      return found;
    },
    async write(fields) {
      if (found) {
        const assignments = Object.keys(fields).map((name, at) => `${quoted(name)} = @value${at}`);
        await run(`UPDATE ${table} SET ${assignments.join(', ')} WHERE ${same}`, fields);
        return;
      }
      const all = { ...entity.defaults, ...fields };
      const names = [...entity.key, ...Object.keys(all)].map(quoted).join(', ');
      const values = [...key.map((_, at) => `@key${at}`), ...Object.keys(all).map((_, at) => `@value${at}`)].join(', ');
      await run(`INSERT INTO ${table} (${names}) VALUES (${values})`, all);
    },
    remove: async () => void (await run(`DELETE FROM ${table} WHERE ${same}`)),
    close: () => pool.close(),
  };
}

function textOf(value: unknown): string | null {
  if (value === null || value === undefined) return null;
  if (typeof value === 'boolean') return value ? '1' : '0';
  return typeof value === 'string' ? value : JSON.stringify(value);
}

const refused = (error: unknown): never => {
  throw new StackError(`SQL refused: ${messageOf(error)}`);
};
