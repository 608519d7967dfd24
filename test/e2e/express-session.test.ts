import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import express from 'express';
import session from 'express-session';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { WarmfeedStore } from '../../examples/express-session/warmfeed-store.ts';
import { type Stack, startStack } from '../support/stack.ts';

let stack: Stack;
beforeAll(async () => {
  stack = await startStack({
    configuration: new URL('./sessions.config.ts', import.meta.url).pathname,
    host: { enableAuth: true },
  });
});
const atEnd: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of atEnd.splice(0)) await end();
});
afterAll(() => stack?.close());

const EXAMPLE = new URL('../../examples/express-session/app.ts', import.meta.url).pathname;

/** A process of the example, as on another machine. */
async function startExample(environment: Record<string, string> = {}): Promise<string> {
  const child: ChildProcess = spawn(process.execPath, [EXAMPLE], {
    env: {
      ...process.env,
      PORT: '0',
      WARMFEED_URL: `${stack.host.url}/api`,
      WARMFEED_KEY: stack.host.keys.default ?? '',
      ...environment,
    },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  atEnd.push(async () => {
    child.kill();
    await once(child, 'exit');
  });
  const [line] = (await once(child.stdout ?? child, 'data')) as [Buffer];
  return line.toString().trim();
}

/** A browser's cookies, and no more of it. */
function createBrowser() {
  let cookie = '';
  return {
    cookie: () => cookie,
    take: (other: string) => {
      cookie = other;
    },
    async ask(url: string, init: RequestInit = {}) {
      const response = await fetch(url, { redirect: 'manual', ...init, headers: { cookie } });
      for (const each of response.headers.getSetCookie()) cookie = each.split(';')[0] ?? '';
      const text = await response.text();
      return {
        status: response.status,
        json: text.startsWith('{') ? (JSON.parse(text) as Record<string, unknown>) : {},
      };
    },
  };
}

const login = (user: string) => ({ method: 'POST', body: new URLSearchParams({ user }) });

describe('two processes of the example', () => {
  it('share a session: counter, login, logout', async () => {
    const [one, two] = await Promise.all([startExample(), startExample()]);
    const browser = createBrowser();
    expect((await browser.ask(one)).json).toEqual({ hello: 'stranger', visits: 1 });
    expect((await browser.ask(two)).json).toEqual({ hello: 'stranger', visits: 2 });
    const planted = browser.cookie();
    expect((await browser.ask(`${one}/login`, login('ann'))).status).toBe(303);
    expect(browser.cookie()).not.toBe(planted);
    expect((await browser.ask(two)).json).toEqual({ hello: 'ann', visits: 1 });
    expect((await browser.ask(one)).json).toEqual({ hello: 'ann', visits: 2 });
    const other = createBrowser();
    other.take(planted);
    expect((await other.ask(one)).json).toEqual({ hello: 'stranger', visits: 1 });

    const before = browser.cookie();
    expect((await browser.ask(`${two}/logout`, { method: 'POST' })).status).toBe(303);
    for (const at of [one, two]) {
      browser.take(before);
      expect((await browser.ask(at)).json).toEqual({ hello: 'stranger', visits: 1 });
    }
  });

  it('a wrong key, a wrong URL or no store is an error to the user, not an empty session', async () => {
    const browser = createBrowser();
    const good = await startExample();
    await browser.ask(good);
    for (const wrong of [
      { WARMFEED_KEY: 'wrong' },
      { WARMFEED_URL: stack.host.url },
      { WARMFEED_URL: 'http://127.0.0.1:9/api' },
    ]) {
      expect((await browser.ask(await startExample(wrong))).status).toBe(503);
    }
    expect((await browser.ask(good)).json['visits']).toBe(2);
  });
});

describe('the store', () => {
  const store = () => new WarmfeedStore({ url: `${stack.host.url}/api/`, key: stack.host.keys.default });

  /** An app whose requests wait in the middle until they are let go. */
  async function startApp() {
    const gates = new Map<string, PromiseWithResolvers<void>>();
    const entered = new Map<string, PromiseWithResolvers<void>>();
    const gate = (map: typeof gates, name: string) => {
      const known = map.get(name) ?? Promise.withResolvers<void>();
      map.set(name, known);
      return known;
    };
    const app = express();
    app.use(session({ store: store(), secret: 's', resave: false, saveUninitialized: false }));
    app.get('/set/:name', (request, response, next) => {
      const { name } = request.params;
      Object.assign(request.session, { [name]: { in: 1 }, ...(request.query['null'] ? { nothing: null } : {}) });
      if (!request.query['gate']) return void response.json({});
      gate(entered, name).resolve();
      gate(gates, name).promise.then(() => response.json({}), next);
    });
    app.get('/drop/:name', (request, response) => {
      delete (request.session as unknown as Record<string, unknown>)[request.params.name];
      response.json({});
    });
    app.get('/all', (request, response) => {
      const { cookie: _, ...data } = request.session;
      response.json(data);
    });
    app.get('/end', (request, response) => request.session.destroy(() => response.json({})));
    const server: Server = app.listen(0, '127.0.0.1');
    await once(server, 'listening');
    atEnd.push(() => server.close());
    return {
      url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
      entered: (name: string) => gate(entered, name).promise,
      letGo: (name: string) => gate(gates, name).resolve(),
    };
  }

  it('merges what requests of one session do at the same time', async () => {
    const app = await startApp();
    const browser = createBrowser();
    await browser.ask(`${app.url}/set/first`);
    const slow = ['a', 'b', 'c', 'd'].map((name) => browser.ask(`${app.url}/set/${name}?gate=1`));
    await Promise.all(['a', 'b', 'c', 'd'].map(app.entered));
    await browser.ask(`${app.url}/drop/first`);
    for (const name of ['a', 'b', 'c', 'd']) app.letGo(name);
    await Promise.all(slow);
    const { json } = await browser.ask(`${app.url}/all`);
    expect(json).toEqual({ a: { in: 1 }, b: { in: 1 }, c: { in: 1 }, d: { in: 1 } });
  });

  it('C111: never revives a session that ended while a request was under way', async () => {
    const app = await startApp();
    const browser = createBrowser();
    await browser.ask(`${app.url}/set/a`);
    for (const query of ['gate=1', 'gate=1&null=1']) {
      const name = `late${query.length}`;
      const cookie = browser.cookie();
      const slow = fetch(`${app.url}/set/${name}?${query}`, { headers: { cookie } });
      await app.entered(name);
      await browser.ask(`${app.url}/end`);
      app.letGo(name);
      expect((await slow).status).toBe(200);
      browser.take(cookie);
      expect((await browser.ask(`${app.url}/all`)).json).toEqual({});
      await browser.ask(`${app.url}/set/a`);
    }
  });

  it('keeps a null, which no merge patch can set', async () => {
    const app = await startApp();
    const browser = createBrowser();
    await browser.ask(`${app.url}/set/a`);
    await browser.ask(`${app.url}/set/b?null=1`);
    expect((await browser.ask(`${app.url}/all`)).json).toEqual({ a: { in: 1 }, b: { in: 1 }, nothing: null });
  });

  it('does as express-session asks of every store', async () => {
    const tested = store();
    const id = 'an-id-of-express-session-in-a-test';
    const data = { cookie: { originalMaxAge: null }, n: 1 } as unknown as session.SessionData;
    const get = () =>
      new Promise((resolve, reject) => tested.get(id, (error, found) => (error ? reject(error) : resolve(found))));
    const call = (method: 'set' | 'touch') =>
      new Promise<void>((resolve, reject) =>
        tested[method](id, data, (error?: unknown) => (error ? reject(error) : resolve())),
      );
    const destroy = () =>
      new Promise<void>((resolve, reject) => tested.destroy(id, (error) => (error ? reject(error) : resolve())));
    expect(await get()).toBeNull();
    await call('touch');
    expect(await get()).toBeNull();
    await call('set');
    await call('set');
    expect(await get()).toMatchObject({ n: 1 });
    await call('touch');
    await destroy();
    await destroy();
    expect(await get()).toBeNull();
    await call('set');
    expect(await get()).toBeNull();
  });
});
