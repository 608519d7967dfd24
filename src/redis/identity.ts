// Entra tokens as passwords: a new one is fetched well before the old one ends, shown to every live connection, and
// kept for the connections to come. Azure cuts a connection whose token has ended.

import type { Redis } from 'ioredis';

/** As `@azure/core-auth` has it. */
export interface AccessToken {
  readonly token: string;
  /** Milliseconds since the epoch. */
  readonly expiresOnTimestamp: number;
}

/** Rejects where no token can be had. One that was handed out before may come again. */
export type TokenSource = (signal: AbortSignal) => Promise<AccessToken>;

export interface IdentityOptions {
  readonly tokens: TokenSource;
  /** The connections there are, connected or not. */
  readonly nodes: () => Iterable<Redis>;
  readonly onError: (error: unknown) => void;
}

export interface Identity {
  /** Gives a connection that was just made, and has not been connected yet, what it shows. */
  equip(node: Redis): void;
  /** What must not be logged. */
  secret(): string | undefined;
  /** Resolves with the first token; until then nothing can be connected. Never rejects. */
  readonly ready: Promise<void>;
  stop(): void;
}

const SCOPE = 'https://redis.azure.com/.default';
const FETCH_TIMEOUT_MS = 10_000;
/** The identity libraries keep a token until 5 minutes before its end, so asking earlier is in vain. */
const MARGIN_MS = 5 * 60_000;
const ASK_AGAIN_MS = 20_000;
const LEAST_PAUSE_MS = 50;

/** Tokens of the app's managed identity, or of the developer; `AZURE_CLIENT_ID` names a user-assigned identity. */
export function entraTokens(): TokenSource {
  let credential: Promise<{ getToken: (scope: string, options: object) => Promise<AccessToken | null> }> | undefined;
  return async (abortSignal) => {
    // Loaded here, so that an app without identities never does.
    credential ??= import('@azure/identity').then(({ DefaultAzureCredential }) => new DefaultAzureCredential());
    const token = await (await credential).getToken(SCOPE, { abortSignal });
    if (token === null) throw new Error('no identity gives a token for Redis');
    return token;
  };
}

export function createIdentity({ tokens, nodes, onError }: IdentityOptions): Identity {
  let shown: { username: string; password: string } | undefined;
  let expiresAt = 0;
  let failures = 0;
  let timer: NodeJS.Timeout | undefined;
  let isStopped = false;
  const first = Promise.withResolvers<void>();

  function equip(node: Redis): void {
    if (shown !== undefined) Object.assign(node.options, shown);
  }

  async function spread({ token, expiresOnTimestamp }: AccessToken): Promise<void> {
    const next = { username: objectIdOf(token), password: token };
    shown = next;
    await Promise.all([...nodes()].map((node) => authenticate(node, next)));
    expiresAt = expiresOnTimestamp;
  }

  async function renew(): Promise<void> {
    try {
      const token = await tokens(AbortSignal.timeout(FETCH_TIMEOUT_MS));
      if (isStopped) return;
      if (token.expiresOnTimestamp > expiresAt) await spread(token);
      failures = 0;
      first.resolve();
    } catch (error) {
      failures++;
      onError(error);
    }
    if (isStopped) return;
    timer = setTimeout(() => void renew(), pauseMs(expiresAt - Date.now(), failures));
    timer.unref();
  }

  void renew();
  return {
    equip,
    secret: () => shown?.password,
    ready: first.promise,
    stop() {
      isStopped = true;
      clearTimeout(timer);
    },
  };
}

/** @throws ReplyError where the server does not take the token */
async function authenticate(node: Redis, shown: { username: string; password: string }): Promise<void> {
  Object.assign(node.options, shown);
  if (node.status === 'ready') return show(node, shown);
  // It may be showing the older one at this moment.
  if (node.status === 'connecting' || node.status === 'connect') {
    node.once('ready', () => void show(node, shown).catch(() => undefined));
  }
}

async function show(node: Redis, { username, password }: { username: string; password: string }): Promise<void> {
  try {
    await node.auth(username, password);
  } catch (error) {
    // A connection that was lost meanwhile comes back with the new one.
    if (error instanceof Error && error.name === 'ReplyError') throw error;
  }
}

/**
 * A third of a short life before the end, at least 5 and at most 10 minutes before that of a long one, so that not all
 * processes ask at once. Then again and again, as the one that was asked for may be the one that is known.
 */
function pauseMs(leftMs: number, failures: number): number {
  const random = Math.random();
  if (failures > 0) return Math.min(ASK_AGAIN_MS, 100 * 2 ** failures) * (0.5 + random / 2);
  const margin = Math.min(MARGIN_MS * (1 + random), leftMs * (0.3 + random / 10));
  const askAgain = Math.min(ASK_AGAIN_MS, Math.max(LEAST_PAUSE_MS, leftMs / 10));
  return leftMs - margin > askAgain ? leftMs - margin : askAgain;
}

/** The object id of the identity, which is its user name. */
function objectIdOf(token: string): string {
  try {
    const claims = JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString()) as { oid?: unknown };
    if (typeof claims.oid === 'string') return claims.oid;
  } catch {
    // A parser would quote it.
  }
  throw new Error('the token for Redis cannot be read, or names no object id');
}
