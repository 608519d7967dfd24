// A web app whose sessions live in Warmfeed: any number of instances serve one user.

import type { AddressInfo } from 'node:net';
import express, { type Request, type Response } from 'express';
import session from 'express-session';
import { WarmfeedStore } from './warmfeed-store.ts';

declare module 'express-session' {
  interface SessionData {
    userId: string;
    visits: number;
  }
}

const {
  WARMFEED_URL = 'http://127.0.0.1:7071/api',
  WARMFEED_KEY,
  SESSION_SECRET = 'only for trying it out',
  PORT = '8080',
} = process.env;

const app = express();
app.use(express.urlencoded());
app.use(
  session({
    store: new WarmfeedStore({ url: WARMFEED_URL, key: WARMFEED_KEY }),
    secret: SESSION_SECRET,
    resave: false,
    saveUninitialized: false,
    cookie: { httpOnly: true, sameSite: 'lax', secure: 'auto' },
  }),
);

app.get('/', (request, response) => {
  request.session.visits = (request.session.visits ?? 0) + 1;
  const { visits, userId = 'stranger' } = request.session;
  response.json({ hello: userId, visits });
});

app.post('/login', (request, response, next) => {
  // Another id for another user: one that was planted is worth nothing.
  request.session.regenerate((error) => {
    if (error) return next(error);
    request.session.userId = nameIn(request);
    response.redirect(303, '/');
  });
});

app.post('/logout', (request, response, next) => {
  request.session.destroy((error) => {
    if (error) return next(error);
    response.clearCookie('connect.sid').redirect(303, '/');
  });
});

app.use((error: unknown, _: Request, response: Response, _next: () => void) => {
  process.stderr.write(`${String(error)}\n`);
  response.status(503).set('retry-after', '1').json({ error: 'try again soon' });
});

const server = app.listen(Number(PORT), '127.0.0.1', () => {
  process.stdout.write(`http://127.0.0.1:${(server.address() as AddressInfo).port}\n`);
});

function nameIn({ body }: Request): string {
  const user = (body as { user?: unknown } | undefined)?.user;
  return typeof user === 'string' && user !== '' ? user.slice(0, 100) : 'somebody';
}
