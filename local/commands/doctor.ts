/** `doctor`: what the app finds of each dependency, and what mends it. */
import { get, jsonOf } from '../services/http.ts';
import { messageOf, StackError } from '../services/service.ts';
import { runningStack } from './access.ts';
import { type Command, type Input, table } from './command.ts';
import { green, red, say, yellow } from './output.ts';

const usualApi = 'http://127.0.0.1:7071/api';
const marks = { ok: green('ok  '), warn: yellow('warn'), error: red('FAIL') } as const;

interface Finding {
  name?: string;
  path?: string;
  state?: keyof typeof marks;
  detail?: string;
  message?: string;
}

export const doctor: Command = {
  about: `Asks an app for what it finds: keys, collations, change tracking, triggers, leases, Redis. Each finding comes with what
mends it. Exit code 1 if something does not work, 0 if there are at most warnings.`,
  options: {
    url: { value: '<url>', help: `the app, with route prefix (the running stack, else ${usualApi})` },
    json: { help: 'as JSON' },
  },
  run,
};

async function run(input: Input): Promise<number> {
  const api = (input.text('url') ?? runningStack()?.api ?? usualApi).replace(/\/+$/, '');
  const answer = await get(`${api}/health/ready`).catch((error: unknown) => {
    throw new StackError(`No app answers at ${api} (${messageOf(error)}): start one with \`npm start\`.`);
  });
  const body = jsonOf(answer);
  if (input.flag('json')) say(JSON.stringify(body, undefined, 2));
  else {
    const findings = (body?.['problems'] ?? body?.['dependencies'] ?? []) as Finding[];
    const rows = findings.map(({ name, path, state = 'error', detail, message }) => {
      return [`${marks[state]} ${name ?? path ?? '?'}`, detail ?? message ?? ''] as const;
    });
    say(table(rows).join('\n'));
  }
  return answer.status === 200 ? 0 : 1;
}
