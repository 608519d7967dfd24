/** `write <entity> <key…> field=value…`: changes a document in Cosmos DB and watches the app until it answers with the change. */
import type { Document } from '../data/entities.ts';
import { StackError } from '../services/service.ts';
import { type App, idOf, itemOf, openApp, openDatabase, partitionOf } from './access.ts';
import { type Command, type Input, UsageError } from './command.ts';
import { bold, green, say, yellow } from './output.ts';
import { isAbsent, lag, showsFields, statusLine, untilVisible } from './visible.ts';

const system = ['_rid', '_self', '_etag', '_ts', '_attachments', '_lsn'];

export const write: Command = {
  usage: '<entity> <key…> field=value…',
  about: `Sets fields of a document in Cosmos DB, adding it if it is not there, and tells how many milliseconds after the commit
the running app answers with the change. A value is JSON where it parses (12, true, null, "12"), else text.
A document that was deleted softly comes back.`,
  options: {
    url: { value: '<url>', help: 'the app, with route prefix (the running stack, else http://127.0.0.1:7071/api)' },
  },
  examples: [
    'npm run local -- write airport FR CDG name="Paris CDG"',
    'npm run local -- write airport FR CDG elevationFt=400 scheduled=false',
  ],
  run,
};

async function run(input: Input): Promise<number> {
  const { item, rest } = itemOf(input.words);
  const fields = fieldsOf(rest, [...item.entity.partition, 'id']);
  const app = await openApp(item, input.text('url'));
  const database = await openDatabase(item);
  try {
    const found = await database.read();
    const base: Record<string, unknown> = found?.document ?? {
      id: idOf(item),
      ...item.entity.defaults,
      ...partitionOf(item),
    };
    const revived = base['deleted'] === true && !('deleted' in fields);
    const kept = Object.entries(base).filter(([name]) => !system.includes(name) && !(revived && name === 'deleted'));
    const document = { ...Object.fromEntries(kept), ...fields } as Document;
    const changed = Object.entries(fields).some(([name, value]) => !same(base[name], value)) || revived || !found;
    const condition = found ? { accessCondition: { type: 'IfMatch', condition: found.etag } } : {};
    await database.container.items.upsert(document, condition).catch(refused);
    const committed = performance.now();
    const what = !found ? 'added' : revived ? 'brought back' : changed ? 'changed' : 'written again, unchanged';
    say(`${bold('committed')} at ${new Date().toISOString()}: ${item.name} ${item.key.join(' ')} ${what}`);
    return await watch(app, fields, committed, changed);
  } finally {
    database.close();
  }
}

async function watch(
  app: App | undefined,
  fields: Record<string, unknown>,
  committed: number,
  changed: boolean,
): Promise<number> {
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
      if (system.includes(name)) throw new UsageError(`'${name}' is set by Cosmos DB.`);
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

const same = (a: unknown, b: unknown): boolean => JSON.stringify(a) === JSON.stringify(b);

function refused(error: unknown): never {
  const { code, message } = error as { code?: number | string; message?: string };
  if (code === 412) throw new StackError('Another write came in between; try again.');
  throw new StackError(`Cosmos DB refused the write (${String(code)}): ${message ?? ''}`);
}
