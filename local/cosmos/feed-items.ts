/** Entries of a log as change feed items: the latest version with its LSN, or every version with what happened. */
import type { Json, JsonObject } from './json.ts';
import type { Entry } from './range.ts';
import type { Container } from './store.ts';

/** The wire format of this version: `crts` in the metadata, no `_lsn` in the documents. */
export const fullFidelityFormat = '2021-09-15';

export const latestVersion = (text: string, lsn: number): string => `${text.slice(0, -1)},"_lsn":${lsn}}`;

/** By the names of the paths; one that the document did not have is left out. */
const keyOf = ({ definition }: Container, { item }: Entry): JsonObject => {
  const parts = definition.paths.map((path, index): [string, Json | undefined] => [
    path.slice(1),
    item.partition.components[index],
  ]);
  return Object.fromEntries(parts.filter((part): part is [string, Json] => part[1] !== undefined));
};

/** Undefined: nothing happened that a reader could have seen. */
export const fullFidelity = (container: Container, entry: Entry, previousImages: boolean): string | undefined => {
  const { document, previous, expired, item, lsn } = entry;
  const before = previous?.document;
  if (!document && !before) return undefined;
  const metadata = {
    lsn,
    crts: document?.ts ?? Math.floor(entry.at / 1000),
    operationType: document ? (before ? 'replace' : 'create') : 'delete',
    ...(before && previous ? { previousImageLSN: previous.lsn } : {}),
    ...(expired ? { timeToLiveExpired: true } : {}),
    ...(document ? {} : { id: item.id, partitionKey: keyOf(container, entry) }),
  };
  const image = before && previousImages ? `,"previous":${before.text}` : '';
  return `{"current":${document?.text ?? '{}'},"metadata":${JSON.stringify(metadata)}${image}}`;
};
