/** What a measurement gets: a Redis that is its own, how long it may take, and where to say what it does. */
export interface Context {
  readonly redis: string;
  readonly folder: string;
  readonly isQuick: boolean;
  /** How many records there are at most, where it is measured what becomes of many. */
  readonly mostRecords: number;
  /** How many are counted. */
  readonly rounds: number;
  readonly progress: (text: string) => void;
}
