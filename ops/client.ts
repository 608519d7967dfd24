/** Calls of /ops of an app, and what their failure means to a user. */

export class OpsError extends Error {
  override name = 'OpsError';
}

export interface Client {
  get<T>(path: string): Promise<T>;
  post<T>(path: string, body?: unknown): Promise<T>;
}

const TIMEOUT_MS = 120_000;

/**
 * @param key never an argument of the command line, which others on the machine can see
 * @throws OpsError for an address that is none, or that the key must not be sent to
 */
export function createClient(api: string, key: string | undefined): Client {
  const base = checkedUrl(api, key !== undefined);

  async function call<T>(method: string, path: string, body?: unknown): Promise<T> {
    const headers: Record<string, string> = {
      accept: 'application/json',
      ...(key !== undefined && { 'x-functions-key': key }),
      ...(body !== undefined && { 'content-type': 'application/json' }),
    };
    const response = await fetch(`${base}/ops/${path}`, {
      method,
      headers,
      // A key is for one host.
      redirect: 'error',
      signal: AbortSignal.timeout(TIMEOUT_MS),
      ...(body !== undefined && { body: JSON.stringify(body) }),
    }).catch((error: unknown) => {
      throw new OpsError(`No app answers at ${base}: ${reasonOf(error)}`);
    });
    const text = await response.text();
    if (response.ok) return parsed(text, base) as T;
    throw new OpsError(refusal(response.status, text, key !== undefined));
  }

  return { get: (path) => call('GET', path), post: (path, body) => call('POST', path, body) };
}

function checkedUrl(api: string, hasKey: boolean): string {
  const url = URL.canParse(api) ? new URL(api) : undefined;
  if (url === undefined || !/^https?:$/.test(url.protocol))
    throw new OpsError(`'${api}' is no address such as https://my-app.azurewebsites.net/api`);
  const isLocal = /^(localhost|127(\.\d+){3}|\[::1\])$/.test(url.hostname);
  if (hasKey && url.protocol === 'http:' && !isLocal)
    throw new OpsError('The key is not sent without TLS: the address must begin https://');
  return `${url.origin}${url.pathname.replace(/\/+$/, '')}`;
}

function parsed(text: string, base: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new OpsError(`${base} is no Warmfeed app, or not its /api: the answer is no JSON`);
  }
}

function refusal(status: number, text: string, hasKey: boolean): string {
  if (status === 401 || status === 403) {
    return hasKey
      ? 'The app refuses the key: WARMFEED_OPS_KEY must be its master (admin) key'
      : 'The app asks for a key: put its master (admin) key into the environment variable WARMFEED_OPS_KEY';
  }
  try {
    const { detail } = JSON.parse(text) as { detail?: string };
    if (detail !== undefined) return `${status}: ${detail}`;
  } catch {
    // no problem document
  }
  return status === 404
    ? '404: there is no /ops here: is the address that of the app, with /api?'
    : `the app answered ${status}`;
}

function reasonOf(error: unknown): string {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  const code = (cause as NodeJS.ErrnoException).code;
  return code ?? (cause instanceof Error ? cause.message : String(cause));
}
