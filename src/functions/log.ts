// Events of the core as log lines, bounded: what repeats is counted, not repeated.

import { isWarmfeedError, messageOf } from '../core/errors.ts';
import type { CacheEvent, Observe } from '../core/ports.ts';

const QUIET_MS = 10_000;

export function createLog(now: () => number): Observe {
  const last = new Map<string, { at: number; unsaid: number }>();

  /** Says one line of a kind per while, with the number of those that it stands for. */
  function sayRarely(kind: string, line: string): void {
    const said = last.get(kind);
    if (said !== undefined && now() - said.at < QUIET_MS) {
      said.unsaid++;
      return;
    }
    console.warn(said?.unsaid ? `${line} (and ${said.unsaid} more since)` : line);
    last.set(kind, { at: now(), unsaid: 0 });
  }

  return (event: CacheEvent) => {
    switch (event.kind) {
      case 'store-failed':
        return sayRarely(`store ${event.during}`, `cache: ${event.during} failed: ${messageOf(event.error)}`);
      case 'source-failed': {
        const code = isWarmfeedError(event.error) ? event.error.code : '';
        return sayRarely(
          `source ${event.entity} ${code}`,
          `source of ${event.entity} failed: ${code} ${messageOf(event.error)}`,
        );
      }
      case 'poll-failed':
        return sayRarely(`poll ${event.source}`, `changes of ${event.source}: ${messageOf(event.error)}`);
      case 'dead-letter':
        return console.error(
          `dead letter of ${event.entity || 'an unknown entity'}: ${event.reason}${event.written ? '' : ' (it could not be written)'}`,
        );
      case 'session-not-copied': {
        const why = event.error === undefined ? '' : `: ${messageOf(event.error)}`;
        return sayRarely(`session ${event.reason}`, `a session was not copied, ${event.reason}${why}`);
      }
      case 'healed':
        return console.warn(`generation of ${event.source} had been rolled back, and was renewed`);
      case 'failover':
        return console.warn(
          `Redis may have lost what it had acknowledged (${event.by === 'id' ? 'another server' : 'a heartbeat'} in ${event.shards.join(', ')}): everything cached is old now`,
        );
      case 'shard-anonymous':
        return sayRarely(
          'shard',
          `${event.shard} of Redis does not tell who it is: heartbeats only show its failovers`,
        );
      case 'feed-positions':
        return event.are === 'new'
          ? console.info(`the change feed of ${event.source} has started`)
          : console.warn(`the change feed of ${event.source} lost its positions: everything cached of it is old now`);
      case 'feed-unfollowed':
        return console.warn(
          `nobody follows the change feed of ${event.source}, so everything cached of it is old now: ${event.remark}`,
        );
      case 'nameless':
        return console.error(
          `everything cached of ${event.source} is old now, as ${event.changes} of its changes do not tell what changed: ${event.reason}`,
        );
      case 'seeded':
        return console.info(`watermark of ${event.source} ${event.partition} is known: ${event.position}`);
      case 'audit':
        if (event.verdict !== 'stale') return;
        return console.error(
          `an item of ${event.entity} was stale ${event.delayS} s after a change of it; it is evicted`,
        );
      case 'audit-failed':
        return sayRarely(
          `audit ${event.entity}`,
          `an item of ${event.entity} was not audited: ${messageOf(event.error)}`,
        );
      case 'fill':
      case 'batch':
        return undefined;
    }
  };
}
