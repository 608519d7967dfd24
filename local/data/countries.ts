/** The countries of the npm package `world-countries` (ODbL) as a PostgreSQL table; a table that is there and not empty is left alone. */
import { createRequire } from 'node:module';
import type { ClientBase } from 'pg';

interface Named {
  common: string;
  official: string;
}

interface Row {
  name: Named & { native: Record<string, Named> };
  cca2: string;
  cca3: string;
  independent: boolean | null;
  capital: string[];
  region: string;
  subregion: string;
  languages: Record<string, string>;
  currencies: Record<string, { name: string; symbol: string }>;
  latlng: [latitude: number, longitude: number];
  borders: string[];
  area: number;
}

export interface Country {
  code: string;
  /** Three letters, by which flags and borders are called. */
  cca3: string;
  name: string;
  official: string;
  capital: string | null;
  region: string;
  subregion: string | null;
  independent: boolean | null;
  /** Square kilometres. */
  area: number | null;
  latlng: [latitude: number, longitude: number];
  /** Codes of the neighbours. */
  borders: string[];
  languages: string[];
  names: Record<string, Named>;
  currencies: Record<string, { name: string; symbol: string }>;
}

/** With its schema: the role `warmfeed` has the outbox's schema first in its path. */
const table = `CREATE TABLE IF NOT EXISTS public.countries (
  code text PRIMARY KEY,
  cca3 text,
  name text NOT NULL,
  official text NOT NULL,
  capital text,
  region text NOT NULL,
  subregion text,
  independent boolean,
  area numeric,
  latlng double precision[] NOT NULL,
  borders text[] NOT NULL,
  languages text[] NOT NULL,
  names jsonb NOT NULL,
  currencies jsonb NOT NULL
)`;

/** Sorted by code, so that every seed writes the same in the same order. */
export function countries(): Country[] {
  const rows = createRequire(import.meta.url)('world-countries/countries.json') as Row[];
  const codes = new Map(rows.map(({ cca3, cca2 }) => [cca3, cca2]));
  return rows.map((row) => toCountry(row, codes)).toSorted((a, b) => (a.code < b.code ? -1 : 1));
}

const toCountry = (row: Row, codes: Map<string, string>): Country => ({
  code: row.cca2,
  cca3: row.cca3,
  name: row.name.common,
  official: row.name.official,
  capital: row.capital[0] || null,
  region: row.region,
  subregion: row.subregion || null,
  independent: row.independent,
  // Unknown is -1 there.
  area: row.area < 0 ? null : row.area,
  latlng: row.latlng,
  borders: row.borders.flatMap((code) => codes.get(code) ?? []).toSorted(),
  languages: Object.values(row.languages).toSorted(),
  names: row.name.native,
  currencies: Array.isArray(row.currencies) ? {} : row.currencies,
});

/** Resolves to the number of rows written; 0 if there were some already. */
export async function seedCountries(client: Pick<ClientBase, 'query'>): Promise<number> {
  await client.query(table);
  const { rowCount } = await client.query('SELECT 1 FROM public.countries LIMIT 1');
  if (rowCount !== 0) return 0;
  const all = JSON.stringify(countries());
  const text = 'INSERT INTO public.countries SELECT * FROM jsonb_populate_recordset(NULL::public.countries, $1)';
  return (await client.query(text, [all])).rowCount ?? 0;
}
