/** `delete <entity> <key…>`: a soft delete, which the change feed carries, or with --hard a real one, which it does not. */
import { StackError } from '../services/service.ts';
import { idOf, itemOf, openApp, openDatabase, partitionOf } from './access.ts';
import { type Command, type Input, UsageError } from './command.ts';
import { bold, green, say, yellow } from './output.ts';
import { isAbsent, lag, statusLine, untilVisible } from './visible.ts';

export const remove: Command = {
  usage: '<entity> <key…>',
  about: `Deletes a document by setting deleted=true, and tells how many milliseconds later the running app answers 404.
The change feed carries the latest version of documents, so a real delete (--hard) is not in it: what is cached stays
until its ttl. That is why the app deletes softly.`,
  options: {
    hard: { help: 'really delete it' },
    url: { value: '<url>', help: 'the app, with route prefix (the running stack, else http://127.0.0.1:7071/api)' },
  },
  examples: ['npm run local -- delete airport FR CDG'],
  run,
};

async function run(input: Input): Promise<number> {
  const { item, rest } = itemOf(input.words);
  if (rest.length > 0) throw new UsageError(`Unexpected argument '${rest[0]}'.`);
  const app = await openApp(item, input.text('url'));
  const database = await openDatabase(item);
  const label = `${item.name} ${item.key.join(' ')}`;
  try {
    const found = await database.read();
    if (!found) throw new StackError(`There is no ${label} in the database.`);
    const handle = database.container.item(idOf(item), Object.values(partitionOf(item)));
    if (input.flag('hard')) {
      await handle.delete();
      say(`${bold('committed')} at ${new Date().toISOString()}: ${label} is gone from the database`);
      say('The change feed does not tell of it: if it was cached, it is served until its ttl.');
      return 0;
    }
    await handle.patch([{ op: 'set', path: '/deleted', value: true }]);
    const committed = performance.now();
    say(`${bold('committed')} at ${new Date().toISOString()}: ${label} has deleted=true`);
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
    database.close();
  }
}
