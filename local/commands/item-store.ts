/** An item of any database, as commands read and change it. */
export type Fields = Record<string, unknown>;

export interface ItemStore {
  /** Undefined if there is none. */
  read(): Promise<Fields | undefined>;
  /** Adds it, or changes these fields of what was read last. @throws StackError where the database refuses */
  write(fields: Fields): Promise<void>;
  /** Removes it in the way that the change feed tells of. */
  remove(): Promise<void>;
  /** Removes it in a way that the change feed does not tell of, where there is one. */
  removeHard?(): Promise<void>;
  close(): Promise<void>;
}
