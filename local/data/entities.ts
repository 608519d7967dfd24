/** Where the entities of the app's configuration lie in the local databases, for the commands that write to them. */

interface Located {
  /** What the key's segments are called. */
  key: readonly string[];
  example: readonly string[];
  /** Of a new item, what the key does not give. */
  defaults: Record<string, unknown>;
}

/** The last segment of the key is the id, the others are the partition. */
export interface CosmosEntity extends Located {
  kind: 'cosmos';
  container: string;
}

export interface TableEntity extends Located {
  kind: 'postgres' | 'sql';
  schema: string;
  table: string;
}

export type LocalEntity = CosmosEntity | TableEntity;

export const entities: Record<string, LocalEntity> = {
  airport: {
    kind: 'cosmos',
    container: 'airports',
    key: ['country', 'id'],
    example: ['FR', 'CDG'],
    defaults: { type: 'airport' },
  },
  country: {
    kind: 'postgres',
    schema: 'public',
    table: 'countries',
    key: ['code'],
    example: ['FR'],
    defaults: { name: '', official: '', region: '', latlng: [], borders: [], languages: [], names: {}, currencies: {} },
  },
  city: {
    kind: 'sql',
    schema: 'dbo',
    table: 'cities',
    key: ['id'],
    example: ['1'],
    defaults: { name: '', country: '', region: '', airports: 0, latitude: 0, longitude: 0 },
  },
};
