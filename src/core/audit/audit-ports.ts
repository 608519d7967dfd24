// What the auditor keeps in the store: samples that wait until they are due, and counts.

export interface AuditStore {
  /** Puts samples on a list, each for so many ms; beyond `most` those that are due last are left out. */
  add(list: string, samples: readonly Waiting[], most: number): Promise<void>;
  /** Takes those that are due, for one caller only; `nextMs`: how long until another one is, if there is any. */
  take(list: string, most: number): Promise<{ readonly due: readonly string[]; readonly nextMs: number | undefined }>;
  count(counts: string, field: string): Promise<void>;
  counts(counts: string): Promise<ReadonlyMap<string, number>>;
}

export interface Waiting {
  readonly text: string;
  readonly inMs: number;
}
