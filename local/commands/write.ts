/** `write <entity> <key…> field=value…`: changes an item in its database and watches the app until it answers with the change. */
import { type App, itemOf, openApp } from './access.ts';
import { type Command, type Input, UsageError } from './command.ts';
import { systemProperties } from './cosmos-item.ts';
import { openItem } from './database.ts';
import { bold, green, say, yellow } from './output.ts';
import { isAbsent, lag, sameValue, showsFields, statusLine, untilVisible } from './visible.ts';

export const write: Command = {
  usage: '<entity> <key…> field=value…',
  about: `Sets fields of a document in Cosmos DB (airport), or columns of a row in PostgreSQL (country) or SQL (city), adding it if
it is not there, and tells how many milliseconds after the commit the running app answers with the change. A value is JSON where it parses (12, true, null, "12"), else text.
A document that was deleted softly comes back.`,
  options: {
    url: { value: '<url>', help: 'the app, with route prefix (the running stack, else http://127.0.0.1:7071/api)' },
  },
  examples: [
    'npm run local -- write airport FR CDG name="Paris CDG"',
    'npm run local -- write airport FR CDG elevationFt=400 scheduled=false',
    'npm run local -- write country FR capital=Lutetia',
  ],
  run,
};

async function run(input: Input): Promise<number> {
  const { item, rest } = itemOf(input.words);
  const fields = fieldsOf(rest, item.entity.key);
  const reserved =
    item.entity.kind === 'cosmos' ? Object.keys(fields).find((name) => systemProperties.includes(name)) : undefined;
  if (reserved !== undefined) throw new UsageError(`'${reserved}' is set by Cosmos DB.`);
  const app = await openApp(item, input.text('url'));
  const store = await openItem(item);
  try {
    const found = await store.read();
    const revived = found?.['deleted'] === true && !('deleted' in fields);
    const differs = Object.entries(fields).some(([name, value]) => !sameValue(found?.[name], value));
    await store.write(fields);
    const committed = performance.now();
    const what = !found ? 'added' : revived ? 'brought back' : differs ? 'changed' : 'written again, unchanged';
    say(`${bold('committed')} at ${new Date().toISOString()}: ${item.name} ${item.key.join(' ')} ${what}`);
    return await watch(app, { fields, committed, changed: !found || revived || differs });
  } finally {
    await store.close();
  }
}

interface Written {
  fields: Record<string, unknown>;
  /** `performance.now()` of the commit. */
  committed: number;
  changed: boolean;
}

async function watch(app: App | undefined, { fields, committed, changed }: Written): Promise<number> {
  if (!app) {
    say('No app is running here, so nothing was watched.');
    return 0;
  }
  const shows = fields['deleted'] === true ? isAbsent : showsFields(fields);
  const visible = changed ? await untilVisible(app.read, shows, committed) : undefined;
  if (visible) {
    say(`${green('visible')} ${bold(lag(visible))} after the commit: ${statusLine(visible.answer)}`);
    return 0;
  }
  const answer = await app.read();
  if (!changed) {
    say(`Nothing changed, so there is no lag to measure: ${statusLine(answer)}`);
    return 0;
  }
  say(yellow(`Not visible within 5 s: ${statusLine(answer)}`));
  say(
    'Fields that the app does not serve never are. Otherwise the change feed is behind or does not run; see the log.',
  );
  return 1;
}

function fieldsOf(words: readonly string[], keyFields: readonly string[]): Record<string, unknown> {
  if (words.length === 0) throw new UsageError('Nothing to write: give at least one field=value.');
  return Object.fromEntries(
    words.map((word) => {
      const equals = word.indexOf('=');
      if (equals < 1) throw new UsageError(`'${word}' is no field=value.`);
      const name = word.slice(0, equals);
      if (keyFields.includes(name)) throw new UsageError(`'${name}' is part of the key and cannot be changed.`);
      return [name, valueOf(word.slice(equals + 1))];
    }),
  );
}

function valueOf(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return text;
  }
}
