// The durable copy of sessions in memory (src/sources/cosmos-sessions.ts): the newest that was written, until it has ended.

import { equalBytes } from '../../src/core/bytes.ts';
import { WarmfeedError } from '../../src/core/errors.ts';
import type { DurableSessions } from '../../src/core/session/session-ports.ts';
import type { SessionRecord } from '../../src/core/session/session-record.ts';

export function createMemorySessionCopy() {
  const kept = new Map<string, SessionRecord | 'ended'>();
  const copy = {
    /** It fails. */
    isDown: false,
    kept,
    async read(name) {
      check();
      return kept.get(name);
    },
    async write(name, session) {
      check();
      const before = kept.get(name);
      if (before === 'ended') return 'ended';
      if (before === undefined || before.version < session.version || before.seen < session.seen) {
        kept.set(name, session);
      }
      return 'kept';
    },
    async end(name) {
      check();
      kept.set(name, 'ended');
    },
    async listed(subject) {
      check();
      return [...kept].flatMap(([name, session]) =>
        session !== 'ended' && session.subject && equalBytes(session.subject, subject) ? [name] : [],
      );
    },
    save: (name: string) => kept.get(name),
    restore(name: string, saved: SessionRecord | 'ended' | undefined) {
      if (saved === undefined) kept.delete(name);
      else kept.set(name, saved);
    },
  } satisfies DurableSessions & Record<string, unknown>;
  function check(): void {
    if (copy.isDown) throw new WarmfeedError('SOURCE_UNAVAILABLE', 'down', { retryable: true });
  }
  return copy;
}
