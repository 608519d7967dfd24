/** Where the entities of the app's configuration lie in the local database, for the commands that write to it. */

export type Document = Record<string, unknown> & { id: string };

export interface LocalEntity {
  container: string;
  /** Property of each key segment but the last, which is the id. */
  partition: readonly string[];
  example: readonly string[];
  /** Properties of a new document that the key does not give. */
  defaults: Record<string, unknown>;
}

export const entities: Record<string, LocalEntity> = {
  airport: {
    container: 'airports',
    partition: ['country'],
    example: ['FR', 'CDG'],
    defaults: { type: 'airport' },
  },
};
