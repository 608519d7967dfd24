// An express-session store over Warmfeed's /sessions: copy this file into a web app. It needs nothing but fetch.
// What requests of one session change at the same time is merged, and a session that has ended stays ended.

import session from 'express-session';

export interface WarmfeedStoreOptions {
  /** Where the app is, with its route prefix: `https://<name>.azurewebsites.net/api`. */
  readonly url: string;
  /** A function key; none where none is asked for. */
  readonly key?: string | undefined;
  /** How long a call may take. Default 5000. */
  readonly timeoutMs?: number;
}

type Data = { readonly [name: string]: unknown };
type Done = (error?: unknown) => void;

const CURRENT = '/sessions/current';

export class WarmfeedStore extends session.Store {
  readonly #options: WarmfeedStoreOptions;
  /** What is known to be stored, of each session object that has come out of the store or gone into it. */
  readonly #stored = new WeakMap<object, Data>();

  constructor(options: WarmfeedStoreOptions) {
    super();
    this.#options = options;
  }

  override get(sid: string, done: (error: unknown, session?: session.SessionData | null) => void): void {
    this.#read(sid).then(
      (data) => done(null, data),
      (error) => done(error),
    );
  }

  /** express-session makes of what it got the object that it saves later. */
  override createSession(...[request, data]: Parameters<session.Store['createSession']>) {
    const stored = plain(data);
    const created = super.createSession(request, data);
    this.#stored.set(created, stored);
    return created;
  }

  override set(sid: string, data: session.SessionData, done?: Done): void {
    settle(this.#write(sid, data), done);
  }

  override touch(sid: string, _: session.SessionData, done?: Done): void {
    settle(this.#call('POST', sid, { path: `${CURRENT}/touch` }), done);
  }

  override destroy(sid: string, done?: Done): void {
    settle(this.#call('DELETE', sid), done);
  }

  async #read(sid: string): Promise<session.SessionData | null> {
    const response = await this.#call('GET', sid);
    if (response.status === 404) return null;
    // A session that another client made has no cookie of express-session's.
    return { cookie: { originalMaxAge: null }, ...((await response.json()) as Data) } as session.SessionData;
  }

  async #write(sid: string, data: session.SessionData): Promise<void> {
    const next = plain(data);
    const before = this.#stored.get(data);
    if (before === undefined) await this.#create(sid, next);
    else await this.#update(sid, before, next);
    this.#stored.set(data, next);
  }

  /** 409: a session of this id has ended. */
  async #create(sid: string, data: Data): Promise<void> {
    const response = await this.#call('PUT', sid, { data, headers: { 'if-none-match': '*' }, also: [409, 412] });
    if (response.status === 412) await this.#call('PUT', sid, { data });
  }

  /** 404, which is no error: it has ended or expired since it was read. */
  async #update(sid: string, before: Data, next: Data): Promise<void> {
    const patch = difference(before, next);
    if (patch === undefined) await this.#call('PUT', sid, { data: next });
    else if (Object.keys(patch).length > 0) await this.#call('PATCH', sid, { data: patch });
  }

  async #call(
    method: string,
    sid: string,
    { path = CURRENT, data, headers = {}, also = [] }: CallOptions = {},
  ): Promise<Response> {
    const { url, key, timeoutMs = 5000 } = this.#options;
    const type = method === 'PATCH' ? 'application/merge-patch+json' : 'application/json';
    const response = await fetch(url.replace(/\/$/, '') + path, {
      method,
      headers: {
        'x-session-id': sid,
        ...(key === undefined ? {} : { 'x-functions-key': key }),
        ...(data === undefined ? {} : { 'content-type': type }),
        ...headers,
      },
      ...(data === undefined ? {} : { body: JSON.stringify(data) }),
      signal: AbortSignal.timeout(timeoutMs),
    });
    if (response.ok || isNone(response) || also.includes(response.status)) return response;
    throw new Error(`the session store answered ${method} with ${response.status}`);
  }
}

interface CallOptions {
  readonly path?: string;
  readonly data?: Data;
  readonly headers?: Readonly<Record<string, string>>;
  /** Statuses that are no errors. */
  readonly also?: readonly number[];
}

/** There is no such session. A 404 of somebody else's is another matter: a wrong URL must not look like that. */
function isNone(response: Response): boolean {
  return response.status === 404 && response.headers.get('content-type')?.includes('application/problem+json') === true;
}

function settle(work: Promise<unknown>, done: Done = () => undefined): void {
  work.then(
    () => done(),
    (error) => done(error),
  );
}

function plain(data: unknown): Data {
  return JSON.parse(JSON.stringify(data)) as Data;
}

/** The merge patch (RFC 7396) from one to the other; undefined where none can say it: it cannot set null. */
function difference(before: Data, next: Data): Data | undefined {
  const patch = new Map<string, unknown>();
  for (const name of Object.keys(before)) if (!Object.hasOwn(next, name)) patch.set(name, null);
  for (const [name, value] of Object.entries(next)) {
    const old = Object.hasOwn(before, name) ? before[name] : undefined;
    if (JSON.stringify(old) === JSON.stringify(value)) continue;
    const deeper = isObject(old) && isObject(value) ? difference(old, value) : value;
    const change = deeper === value && hasNull(value) ? undefined : deeper;
    if (change === undefined) return undefined;
    patch.set(name, change);
  }
  return Object.fromEntries(patch);
}

/** Nulls within arrays are values like others. */
function hasNull(value: unknown): boolean {
  return value === null || (isObject(value) && Object.values(value).some(hasNull));
}

function isObject(value: unknown): value is Data {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
