/** A line of the table that `npm run verify` prints. */
export interface VerifyRow {
  readonly what: string;
  readonly figures: string;
  /** How many cases the row stands for. */
  readonly checked: number;
  readonly failures: readonly string[];
}
