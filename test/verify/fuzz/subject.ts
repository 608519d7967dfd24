// What is put to the test: a cache in several processes, in front of a source whose changes it is told.

import type { Page } from './source.ts';

export interface Wish {
  /** Never less than this position. */
  readonly floor?: number;
  /** Not what is cached. */
  readonly reload?: boolean;
}

export interface Served {
  readonly from: 'cache' | 'source' | 'joined';
  readonly isProvisional: boolean;
  /** Of the write that is served; undefined: absent. */
  readonly position: number | undefined;
  readonly asOf?: number;
  readonly hardAt?: number;
}

export interface Subject {
  /** @throws where neither cache nor source can answer */
  read(process: number, key: string, wish: Wish): Promise<Served>;
  /** Undefined: it would have to ask the source. */
  cached(process: number, key: string): Promise<Served | undefined>;
  /** Handles a page of changes. @throws where it must be delivered again */
  apply(process: number, page: Page): Promise<void>;
  /** A process ends in the midst of everything, and another takes its place. */
  die(process: number): Promise<void>;
  /** It notices no failovers, and nobody records what it asks of its store. */
  readonly isNaive: boolean;
  /** Makes all that is cached old. */
  bump(what: 'source' | 'entity'): Promise<void>;
  close(): Promise<void>;
}

/** Where the cache of a subject is. */
export interface Place {
  readonly url: string;
  readonly clustering: 'NoCluster' | 'OSSCluster';
  /** Part of the names of all keys. */
  readonly app: string;
}
