/** Trouble on demand: which request fails, how, and how often. */
import type { CosmosRequest, Operation } from './request.ts';

export interface Fault {
  /** All that are given must hold. */
  method?: string;
  /** A part of the decoded path. */
  path?: string;
  operation?: Operation;
  /** How many requests it hits; without it, all until it is removed. */
  times?: number;
  delayMs?: number;
  /** Instead of an answer: none ever, or a cut connection. */
  action?: 'hang' | 'reset';
  status?: number;
  substatus?: number;
  retryAfterMs?: number;
  message?: string;
  /** Let the operation take effect first, then fail: a lost reply. */
  after?: boolean;
}

export interface Faults {
  add: (fault: Fault) => number;
  remove: (id: number) => void;
  list: () => (Fault & { id: number; hits: number })[];
  clear: () => void;
  /** The first that matches; counts as a hit. */
  take: (request: CosmosRequest) => Fault | undefined;
}

const matches = ({ method, path, operation }: Fault, request: CosmosRequest): boolean =>
  (method === undefined || method.toUpperCase() === request.method) &&
  (path === undefined || `/${request.segments.join('/')}`.includes(path)) &&
  (operation === undefined || operation === request.operation);

export const createFaults = (): Faults => {
  const active = new Map<number, { fault: Fault; hits: number }>();
  let last = 0;
  return {
    add: (fault) => {
      last += 1;
      active.set(last, { fault, hits: 0 });
      return last;
    },
    remove: (id) => void active.delete(id),
    list: () => [...active].map(([id, { fault, hits }]) => ({ ...fault, id, hits })),
    clear: () => active.clear(),
    take: (request) => {
      for (const one of active.values()) {
        const { times = Number.POSITIVE_INFINITY } = one.fault;
        if (one.hits >= times || !matches(one.fault, request)) continue;
        one.hits += 1;
        return one.fault;
      }
      return undefined;
    },
  };
};
