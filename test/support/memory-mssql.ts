// Azure SQL as protocol C sees it, in memory: versions of change tracking in the order of commits, and rows read in one
// snapshot with the version (src/sources/mssql-log.ts). Every call takes effect when it is made.

import { type Key, keyText } from '../../src/core/key.ts';
import type { Change, ChangeLog, Document, LogPage, Position, Source, SourceRead } from '../../src/core/ports.ts';

interface Tracked {
  readonly version: Position;
  readonly document: Document;
}

export function createMemoryMssql() {
  let position = 0n;
  let oldest = 0n;
  let commits = 0;
  let isTracked = true;
  let rows = new Map<string, Tracked>();

  const world = { partition: { id: 'database/1', ancestors: [] as string[] } };

  const answer = (key: Key): SourceRead => {
    const { document } = rows.get(keyText(key)) ?? {};
    return { document, asOf: position, version: position, partition: world.partition, isTracked };
  };

  const source: Pick<Source, 'read' | 'readMany'> = {
    read: async (key) => answer(key),
    readMany: async (keys) => keys.map(answer),
  };

  function page(from: Position | undefined): LogPage {
    const kept = (version: Position) => from !== undefined && version > from && version > oldest;
    const told = [...rows].filter(([, { version }]) => kept(version));
    return {
      lineage: isTracked ? world.partition.id : undefined,
      partition: world.partition,
      horizon: position,
      isLost: from !== undefined && (from < oldest || from > position),
      items: isTracked ? told.map(([text, { version, document }]): Change => ({ key: [text], version, document })) : [],
      end: position,
      hasMore: false,
      early: [],
    };
  }

  const log: Pick<ChangeLog, 'poll'> = { poll: async (from) => page(from) };

  return Object.assign(world, {
    source,
    log,
    /** `n` of what is written tells its place in the order of all commits, also of those that a restore undid. */
    write(key: string): void {
      if (isTracked) position++;
      rows.set(keyText([key]), { version: position, document: { n: ++commits } });
    },
    /** Retention: only what is yet to come will be told. */
    forget(): void {
      oldest = position;
    },
    /** The database as it was at first: its versions go back, and nothing else tells. */
    restore(): void {
      position = 0n;
      rows = new Map();
    },
    /** Tracking ends, or begins anew. */
    track(isOn: boolean, partition = world.partition): void {
      isTracked = isOn;
      oldest = position;
      world.partition = partition;
    },
    lineage: () => (isTracked ? world.partition.id : undefined),
    horizon: () => position,
    /** `n` of the row, 0 where there is none. */
    now: (key: string) => Number(rows.get(keyText([key]))?.document['n'] ?? 0),
  });
}
