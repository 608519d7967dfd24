/** Which partition key ranges a container has, as far as this host knows. */
export interface PartitionKeyRange {
  id: string;
  minInclusive: string;
  maxExclusive: string;
  parents?: string[];
}

export interface Routing {
  all(): Promise<PartitionKeyRange[]>;
  overlapping(min: string, max: string): Promise<PartitionKeyRange[]>;
  /** What was known is out of date: a range was gone. */
  refresh(): void;
}

/** Reads the ranges once, and again after a refresh. */
export function createRouting(read: () => Promise<PartitionKeyRange[]>): Routing {
  let known: Promise<PartitionKeyRange[]> | undefined;
  const all = async (): Promise<PartitionKeyRange[]> => {
    known ??= read();
    const reading = known;
    try {
      return await reading;
    } catch (error) {
      if (known === reading) known = undefined;
      throw error;
    }
  };
  return {
    all,
    overlapping: async (min, max) =>
      (await all())
        .filter((range) => range.minInclusive < max && min < range.maxExclusive)
        .toSorted((a, b) => (a.minInclusive < b.minInclusive ? -1 : 1)),
    refresh: () => {
      known = undefined;
    },
  };
}
