/** `delete <entity> <key…>`: as the change feed carries it; with --hard a document really goes, which its feed does not tell. */
import { StackError } from '../services/service.ts';
import { itemOf, openApp } from './access.ts';
import { type Command, type Input, UsageError } from './command.ts';
import { openItem } from './database.ts';
import { bold, green, say, yellow } from './output.ts';
import { isAbsent, lag, statusLine, untilVisible } from './visible.ts';

export const remove: Command = {
  usage: '<entity> <key…>',
  about: `Deletes a document by setting deleted=true, a row of PostgreSQL or SQL by deleting it, and tells how many milliseconds
later the running app answers 404. Cosmos DB's change feed carries the latest version of documents, so a real delete (--hard)
is not in it: what is cached stays until its ttl. That is why the app deletes softly there.`,
  options: {
    hard: { help: 'really delete a document' },
    url: { value: '<url>', help: 'the app, with route prefix (the running stack, else http://127.0.0.1:7071/api)' },
  },
  examples: ['npm run local -- delete airport FR CDG'],
  run,
};

async function run(input: Input): Promise<number> {
  const { item, rest } = itemOf(input.words);
  if (rest.length > 0) throw new UsageError(`Unexpected argument '${rest[0]}'.`);
  const app = await openApp(item, input.text('url'));
  const store = await openItem(item);
  const label = `${item.name} ${item.key.join(' ')}`;
  try {
    const found = await store.read();
    if (!found) throw new StackError(`There is no ${label} in the database.`);
    if (input.flag('hard') && store.removeHard) {
      await store.removeHard();
      say(`${bold('committed')} at ${new Date().toISOString()}: ${label} is gone from the database`);
      say('The change feed does not tell of it: if it was cached, it is served until its ttl.');
      return 0;
    }
    await store.remove();
    const committed = performance.now();
    say(
      `${bold('committed')} at ${new Date().toISOString()}: ${label} ${store.removeHard ? 'has deleted=true' : 'is gone from the database'}`,
    );
    if (!app) {
      say('No app is running here, so nothing was watched.');
      return 0;
    }
    const visible = await untilVisible(app.read, isAbsent, committed);
    if (visible) {
      say(`${green('visible')} ${bold(lag(visible))} after the commit: ${statusLine(visible.answer)}`);
      return 0;
    }
    say(yellow(`Still served 5 s later: ${statusLine(await app.read())}`));
    say('The change feed is behind or does not run; see the log.');
    return 1;
  } finally {
    await store.close();
  }
}
