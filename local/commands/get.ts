/** `get <entity> <key…>`: one read through the app, with the headers that matter. */
import { header } from '../services/http.ts';
import { StackError } from '../services/service.ts';
import { itemOf, openApp } from './access.ts';
import { type Command, type Input, UsageError } from './command.ts';
import { bold, dim, say } from './output.ts';

const shown = ['cache-status', 'age', 'etag', 'cache-control', 'content-type'];

export const read: Command = {
  usage: '<entity> <key…>',
  about: 'Reads an item through the running app and shows status, cache headers and body.',
  options: {
    url: { value: '<url>', help: 'the app, with route prefix (the running stack, else http://127.0.0.1:7071/api)' },
  },
  examples: ['npm run local -- get airport FR CDG'],
  run,
};

async function run(input: Input): Promise<number> {
  const { item, rest } = itemOf(input.words);
  if (rest.length > 0) throw new UsageError(`Unexpected argument '${rest[0]}'.`);
  const app = await openApp(item, input.text('url'));
  if (!app) throw new StackError('No app is running here: start one with `npm start`.');
  const started = performance.now();
  const answer = await app.read();
  const took = (performance.now() - started).toFixed(1);
  say(`${bold(`GET ${app.url}`)}  ${dim(`${took} ms`)}`);
  say(`${answer.status}`);
  for (const name of shown) {
    const value = header(answer, name);
    if (value !== '') say(`${name}: ${value}`);
  }
  say();
  say(answer.body);
  return answer.status < 400 ? 0 : 1;
}
