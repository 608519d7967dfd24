/** The PostgreSQL side: a database made ready once, and one client for each session. */
import { readFileSync } from 'node:fs';
import pg from 'pg';
import { createCursor } from './cursor.ts';
import { tokenize } from './lexer.ts';
import type { Hint } from './query.ts';
import type { Column } from './tokens.ts';
import { parseType, type SqlType, typeOfPg } from './types.ts';

const scripts = ['types', 'functions', 'tracking', 'catalog'];

/** PostgreSQL's own types by number. */
const builtIn: Record<number, string> = {
  16: 'bool',
  17: 'bytea',
  20: 'int8',
  21: 'int2',
  23: 'int4',
  26: 'oid',
  700: 'float4',
  701: 'float8',
  1082: 'date',
  1083: 'time',
  1114: 'timestamp',
  1700: 'numeric',
  2950: 'uuid',
  18: 'text',
  19: 'text',
  25: 'text',
  705: 'text',
  1042: 'text',
  1043: 'text',
};

export type Rows = pg.QueryArrayResult<(string | null)[]>;

/** Text as PostgreSQL wrote it. */
const asText = { getTypeParser: () => (value: string) => value } as unknown as pg.CustomTypesConfig;

export interface Database {
  name: string;
  types: Record<number, string>;
  /** Views whose columns are in capitals. */
  capitals: ReadonlySet<number>;
  /** Of columns whose definition has been seen; emptied by definitions. */
  declared: Map<string, { name: string; type: SqlType }>;
  connect(login: string): Promise<pg.Client>;
  admin: pg.Pool;
  close(): Promise<void>;
}

/** @param url of a superuser; the database becomes the emulator's */
export async function openDatabase(url: string): Promise<Database> {
  const admin = new pg.Pool({ connectionString: url, max: 2 });
  admin.on('error', () => {});
  const made = await admin.query(`SELECT 1 FROM pg_namespace WHERE nspname = 'tds'`);
  if (made.rowCount === 0) {
    const all = scripts.map((name) => readFileSync(new URL(`./sql/${name}.sql`, import.meta.url), 'utf8'));
    await admin.query(`BEGIN; SET LOCAL search_path = pg_catalog; ${all.join('\n')} COMMIT`);
  }
  const own = await admin.query<{ oid: number; typname: string }>(
    `SELECT oid::int4, typname FROM pg_type WHERE typname IN ('money', 'datetimeoffset') AND typnamespace = 'tds'::regnamespace`,
  );
  const views = await admin.query<{ oid: number }>(
    `SELECT oid::int4 FROM pg_class WHERE relnamespace = 'tds_information_schema'::regnamespace`,
  );
  const [named] = (await admin.query<{ name: string }>('SELECT current_database() AS name')).rows;
  return {
    name: named?.name ?? '',
    types: { ...builtIn, ...Object.fromEntries(own.rows.map(({ oid, typname }) => [oid, typname])) },
    capitals: new Set(views.rows.map(({ oid }) => oid)),
    declared: new Map(),
    admin,
    async connect(login) {
      const client = new pg.Client({ connectionString: url });
      client.on('error', () => {});
      await client.connect();
      await client.query(`SET search_path = tds, pg_catalog; SET TIME ZONE 'UTC'; SET DateStyle = 'ISO, MDY'`);
      await client.query(`SELECT set_config('tds.login', $1, false)`, [login]);
      return client;
    },
    close: () => admin.end(),
  };
}

/** One message, so all of it or nothing outside a transaction; a result for each statement. */
export async function run(client: pg.Client, text: string): Promise<Rows[]> {
  const results = await client.query<(string | null)[]>({ text, rowMode: 'array', types: asText });
  return Array.isArray(results) ? (results as Rows[]) : [results];
}

/** Names and types of a result: of a column as it was declared, of an expression by what PostgreSQL says. */
export async function describe(
  database: Database,
  client: pg.Client,
  result: Rows,
  hints: readonly Hint[] = [],
): Promise<Column[]> {
  await learn(database, client, result);
  const hintOf = hintsByPosition(hints, result.fields.length);
  return result.fields.map((field, at): Column => {
    const declared = database.declared.get(`${field.tableID}.${field.columnID}`);
    const hint = hintOf(at);
    const type =
      hint?.type ?? declared?.type ?? typeOfPg(database.types[field.dataTypeID] ?? '', field.dataTypeModifier);
    const unsaid = database.capitals.has(field.tableID) ? field.name.toUpperCase() : unsaidName(field.name);
    return { name: hint?.name ?? declared?.name ?? unsaid, type: withScale(type, result, at) };
  });
}

/** Columns of change tracking are in capitals. */
const unsaidName = (name: string): string =>
  name === '?column?' ? '' : name.startsWith('sys_change_') ? name.toUpperCase() : name;

function hintsByPosition(hints: readonly Hint[], length: number): (at: number) => Hint | undefined {
  const star = hints.findIndex((hint) => hint.star);
  if (star === -1) return (at) => hints[at];
  if (hints.filter((hint) => hint.star).length > 1) return () => undefined;
  const after = hints.length - star - 1;
  return (at) => (at < star ? hints[at] : at >= length - after ? hints[hints.length - (length - at)] : undefined);
}

/** A numeric whose digits PostgreSQL does not tell has as many as its values. */
function withScale(type: SqlType, result: Rows, at: number): SqlType {
  if (type.name !== 'decimal' || type.scale !== undefined) return type;
  const scales = result.rows.map((row) => row[at]?.split('.')[1]?.length ?? 0);
  return {
    ...type,
    scale: Math.min(
      38,
      scales.reduce((most, scale) => Math.max(most, scale), 0),
    ),
  };
}

async function learn({ declared }: Database, client: pg.Client, { fields }: Rows): Promise<void> {
  const unknown = fields.filter(({ tableID, columnID }) => tableID !== 0 && !declared.has(`${tableID}.${columnID}`));
  if (unknown.length === 0) return;
  const pairs = unknown.map(({ tableID, columnID }) => `(${tableID}, ${columnID})`).join(', ');
  const [found] = await run(
    client,
    `SELECT attrelid, attnum, col_description(attrelid, attnum) FROM pg_attribute WHERE (attrelid, attnum) IN (${pairs})`,
  );
  for (const [table, column, comment] of found?.rows ?? []) {
    if (!comment?.startsWith('{')) continue;
    const { name, type } = JSON.parse(comment) as { name: string; type: string };
    declared.set(`${table}.${column}`, { name, type: parseType(createCursor(tokenize(type))) });
  }
}
