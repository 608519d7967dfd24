/** `npm run demo`: plays the main loop live on a stack of its own, and fails if a step did not do what it claims. */
import { createCleanup } from '../services/cleanup.ts';
import { givenSettings } from '../services/given.ts';
import { type Answer, get, header, isHit, jsonOf } from '../services/http.ts';
import { startRedis } from '../services/redis.ts';
import type { Stack } from '../services/stack.ts';
import { stackFolder } from '../services/state.ts';
import type { Command, Input } from './command.ts';
import { cosmosList, holds, lacks, postgresList, sqlList } from './demo-lists.ts';
import { stopAll, unlessEnded, watchForEnd } from './foreground.ts';
import { bold, createReporter, dim, green, red, say } from './output.ts';
import { root } from './root.ts';
import { isAbsent, showsFields, statusLine, untilVisible } from './visible.ts';

const again = 10_000;

export const demo: Command = {
  about: `Starts a stack of its own on free ports (one that runs already is not touched), shows a miss, a hit, a conditional
request, a change and a delete in Cosmos DB with their lag, lists of all three databases that follow their items, and Redis
going away and coming back; then stops.
Exit code 1 if any step did not do what it says.`,
  options: { verbose: { help: 'show what host and app log' } },
  run,
};

async function run(input: Input): Promise<number> {
  // The demo writes, deletes and stops servers: only ever its own.
  const {
    COSMOS: _,
    REDIS_URL: __,
    POSTGRES: ___,
    SQL: ____,
    AzureWebJobsStorage: _____,
    ...given
  } = givenSettings(root);
  const { startStack } = await import('../services/stack.ts');
  const { report, warn, seconds } = createReporter();
  const verbose = input.flag('verbose');
  // Losing Redis, which the demo does on purpose, is something that the app warns of.
  let quiet = false;
  const cleanup = createCleanup(warn);
  const foreground = watchForEnd();
  const play = async (): Promise<number> => {
    const stack = await startStack({
      root,
      given,
      host: 'embedded',
      ports: { http: 0, cosmos: 0, redis: 0, postgres: 0, sql: 0, storage: [0, 0, 0] },
      fromBeginning: false,
      enableAuth: false,
      verbose,
      report,
      warn: (text) => (quiet && !verbose) || warn(text),
      cleanup,
    });
    report('ready', `in ${seconds()} s`);
    say();
    const failures = await steps(stack, (silent) => {
      quiet = silent;
    });
    quiet = true;
    await cleanup.run();
    say();
    say(
      failures === 0
        ? `${green('All steps did what they say')}, in ${seconds()} s. Now: npm start`
        : red(`${failures} ${failures === 1 ? 'step' : 'steps'} did not do what they say.`),
    );
    return failures === 0 ? 0 : 1;
  };
  const playing = play();
  const result = await unlessEnded(playing, foreground);
  if (typeof result === 'number') return result;
  playing.catch(() => {});
  await stopAll(cleanup, result.ended);
  return 1;
}

const name = (answer: Answer): string => `name ${JSON.stringify(jsonOf(answer)?.['name'])}`;
const lagOf = (lagMs: number): string => `visible ${bold(`${Math.round(lagMs)} ms`)} after the commit`;

/** A read in the instant of the refresh waits for it and is no hit yet, though it shows the change. */
const hitWith = (fields: Record<string, unknown>): ((answer: Answer) => boolean) => {
  const shows = showsFields(fields);
  return (answer) => isHit(answer) && shows(answer);
};

async function steps(stack: Stack, silent: (on: boolean) => void): Promise<number> {
  const base = stack.host?.api ?? '';
  const api = `${base}/entities/airport`;
  const { CosmosClient } = await import('@azure/cosmos');
  const client = new CosmosClient(stack.connectionString);
  const container = client.database(stack.database).container('airports');
  const cdg = container.item('CDG', 'FR');
  let number = 0;
  let failures = 0;
  const title = (text: string): void => {
    number += 1;
    say(bold(`${number}. ${text}`));
  };
  const show = (what: string, answer: Answer, ok: boolean, note = ''): void => {
    if (!ok) failures += 1;
    say(`   ${ok ? green('ok  ') : red('FAIL')} ${what}: ${statusLine(answer)}${note === '' ? '' : `  ${dim(note)}`}`);
  };
  const read = (path = 'FR/CDG', headers: Record<string, string> = {}): Promise<Answer> =>
    get(`${api}/${path}`, { headers });

  title('A first read: a MISS, from Cosmos DB');
  const miss = await read();
  show('GET FR/CDG', miss, miss.status === 200 && /fwd=miss/.test(header(miss, 'cache-status')), name(miss));

  title('The same read again: a HIT, from Redis');
  const hit = await read();
  show('GET FR/CDG', hit, hit.status === 200 && isHit(hit) && hit.body === miss.body);

  title('Conditional: the client has it already');
  const conditional = await read('FR/CDG', { 'if-none-match': header(hit, 'etag') });
  show(`If-None-Match ${header(hit, 'etag')}`, conditional, conditional.status === 304 && conditional.body === '');

  title('A change in Cosmos DB: the HIT follows');
  await cdg.patch([{ op: 'set', path: '/name', value: 'Paris CDG' }]);
  const changed = await untilVisible(read, hitWith({ name: 'Paris CDG' }), performance.now());
  const after = changed?.answer ?? (await read());
  show('GET FR/CDG', after, changed !== undefined && isHit(after), name(after));
  if (changed) say(`        ${lagOf(changed.lagMs)}`);

  title('A soft delete in Cosmos DB: 404 follows');
  await cdg.patch([{ op: 'set', path: '/deleted', value: true }]);
  const deleted = await untilVisible(read, isAbsent, performance.now());
  show('GET FR/CDG', deleted?.answer ?? (await read()), deleted !== undefined);
  if (deleted) say(`        ${lagOf(deleted.lagMs)}`);

  for (const open of [
    async () => cosmosList(container),
    () => postgresList(stack.postgres.url),
    () => sqlList(stack.sql.connectionString),
  ]) {
    const list = await open();
    title(`A list of ${list.where}: it follows an insert, a move out and back, and a delete`);
    const readList = () => get(`${base}/${list.path}`);
    await untilVisible(readList, isHit, performance.now());
    for (const [what, change, shows] of [
      ['inserted', () => list.insert(), holds(list.item)],
      ['moved out', () => list.moveOut(), lacks(list.item)],
      ['moved back', () => list.moveBack(), holds(list.item)],
      ['deleted', () => list.remove(), lacks(list.item)],
    ] as const) {
      await change();
      const seen = await untilVisible(readList, shows, performance.now());
      show(what, seen?.answer ?? (await readList()), seen !== undefined, seen && `${Math.round(seen.lagMs)} ms`);
    }
    await list.close();
  }

  title('Redis stops: reads go to Cosmos DB');
  const warmed = await read('GB/LHR').then(() => read('GB/LHR'));
  show('GET GB/LHR, before', warmed, isHit(warmed));
  silent(true);
  const port = stack.redis.port ?? 0;
  await stack.redis.stop();
  const without = await read('GB/LHR');
  show('GET GB/LHR, no Redis', without, without.status === 200 && !isHit(without) && without.body === warmed.body);

  title('Redis is back, empty: a HIT again');
  const redis = await startRedis({ folder: stackFolder(root), port });
  try {
    const started = performance.now();
    const back = await untilVisible(() => read('GB/LHR'), isHit, started, again);
    const last = back?.answer ?? (await read('GB/LHR'));
    show('GET GB/LHR', last, redis.port === port && back !== undefined && last.body === warmed.body);
    if (back) say(`        ${Math.round(back.lagMs)} ms after Redis came back`);
    title('And the change feed goes on');
    const lhr = container.item('LHR', 'GB');
    await lhr.patch([{ op: 'set', path: '/name', value: 'London Heathrow' }]);
    const shows = hitWith({ name: 'London Heathrow' });
    const followed = await untilVisible(() => read('GB/LHR'), shows, performance.now(), again);
    const heathrow = followed?.answer ?? (await read('GB/LHR'));
    show('GET GB/LHR', heathrow, followed !== undefined && isHit(heathrow), name(heathrow));
    if (followed) say(`        ${lagOf(followed.lagMs)}`);
  } finally {
    await stack.host?.stop();
    await redis.stop();
    client.dispose();
  }
  return failures;
}
