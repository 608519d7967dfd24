/** The demo's lists: each follows an insert, an update that moves an item out, and a delete, in every database. */
import type { Container } from '@azure/cosmos';
import sql from 'mssql';
import pg from 'pg';
import type { Answer } from '../services/http.ts';

/** One database's list and how its items are changed. */
export interface ListSteps {
  where: string;
  /** Of the API. */
  path: string;
  /** What the item is called in the list. */
  item: string;
  insert(): Promise<unknown>;
  moveOut(): Promise<unknown>;
  moveBack(): Promise<unknown>;
  remove(): Promise<unknown>;
  close(): Promise<unknown>;
}

export const holds =
  (item: string) =>
  (answer: Answer): boolean =>
    answer.status === 200 && answer.body.includes(item);

export const lacks =
  (item: string) =>
  (answer: Answer): boolean =>
    answer.status === 200 && !answer.body.includes(item);

const item = 'Warmfeed Demo';

export function cosmosList(container: Container): ListSteps {
  const put = (country: string) => container.items.upsert({ id: 'WFD', type: 'airport', country, name: item });
  return {
    where: 'Cosmos DB',
    path: 'queries/airportsByCountry?country=LU',
    item,
    insert: () => put('LU'),
    // Another partition key is another document.
    moveOut: () => container.item('WFD', 'LU').patch([{ op: 'set', path: '/type', value: 'heliport' }]),
    moveBack: () => put('LU'),
    remove: () => container.item('WFD', 'LU').patch([{ op: 'set', path: '/deleted', value: true }]),
    close: async () => undefined,
  };
}

export async function postgresList(url: string): Promise<ListSteps> {
  const client = new pg.Client(url);
  client.on('error', () => {});
  await client.connect();
  const region = (name: string) => client.query(`UPDATE countries SET region = $1 WHERE code = 'ZZ'`, [name]);
  return {
    where: 'PostgreSQL',
    path: 'queries/countriesByRegion?region=Antarctic',
    item,
    insert: () =>
      client.query(
        `INSERT INTO countries (code, name, official, region, latlng, borders, languages, names, currencies)
         VALUES ('ZZ', $1, $1, 'Antarctic', '{0,0}', '{}', '{}', '{}', '{}')`,
        [item],
      ),
    moveOut: () => region('Oceania'),
    moveBack: () => region('Antarctic'),
    remove: () => client.query(`DELETE FROM countries WHERE code = 'ZZ'`),
    close: () => client.end(),
  };
}

export async function sqlList(connectionString: string): Promise<ListSteps> {
  const pool = new sql.ConnectionPool(connectionString);
  pool.on('error', () => {});
  await pool.connect();
  const country = (code: string) =>
    pool.request().input('code', sql.NVarChar(2), code).query('UPDATE dbo.cities SET country = @code WHERE id = 0');
  return {
    where: 'SQL',
    path: 'queries/citiesByCountry?country=LU',
    item,
    insert: () =>
      pool
        .request()
        .input('name', sql.NVarChar(100), item)
        .query(
          `INSERT INTO dbo.cities (id, name, country, region, airports, latitude, longitude)
           VALUES (0, @name, 'LU', '', 0, 0, 0)`,
        ),
    moveOut: () => country('BE'),
    moveBack: () => country('LU'),
    remove: () => pool.request().query('DELETE FROM dbo.cities WHERE id = 0'),
    close: () => pool.close(),
  };
}
