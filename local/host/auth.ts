/** Function keys: which requests may call which function. Off unless the host was started with `enableAuth`, as with `func start`. */
import { randomBytes, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage } from 'node:http';

export type AuthLevel = 'anonymous' | 'function' | 'admin';
export interface Keys {
  master: string;
  default: string;
}

export interface Auth {
  keys: Keys;
  allows(level: AuthLevel, request: IncomingMessage, query: URLSearchParams): boolean;
}

function same(given: string, key: string): boolean {
  const [a, b] = [Buffer.from(given), Buffer.from(key)];
  return a.length === b.length && timingSafeEqual(a, b);
}

export function createAuth(enabled: boolean, keys: Keys | undefined): Auth {
  const known = keys ?? {
    master: randomBytes(32).toString('base64url'),
    default: randomBytes(32).toString('base64url'),
  };
  return {
    keys: known,
    allows(level, request, query) {
      if (!enabled || level === 'anonymous') return true;
      const header = request.headers['x-functions-key'];
      const given = (Array.isArray(header) ? header[0] : header) ?? query.get('code');
      if (!given) return false;
      return same(given, known.master) || (level === 'function' && same(given, known.default));
    },
  };
}
