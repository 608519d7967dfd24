/** `status`: what the state file says runs, and what the app says of it. */
import { get, jsonOf } from '../services/http.ts';
import { messageOf } from '../services/service.ts';
import { runningStack } from './access.ts';
import { type Command, table } from './command.ts';
import { say } from './output.ts';

export const status: Command = {
  about:
    'Shows the running stack, and what its app answers to /health/ready. Exit code 1 if nothing runs or it is not ready.',
  options: {},
  run,
};

async function run(): Promise<number> {
  const state = runningStack();
  if (!state) {
    say('No local stack is running here: start one with `npm start`.');
    return 1;
  }
  say(`npm run ${state.command}, process ${state.pid}, since ${state.startedAt}`);
  say(table(state.services.map(({ name, what }) => [name, what] as const)).join('\n'));
  if (state.api === undefined) return 0;
  try {
    const answer = await get(`${state.api}/health/ready`);
    const dependencies = jsonOf(answer)?.['dependencies'];
    say(`\n${state.api}/health/ready: ${answer.status}`);
    if (Array.isArray(dependencies)) {
      const rows = dependencies.map((one: { name?: string; state?: string; detail?: string }) => {
        return [one.name ?? '?', [one.state, one.detail].filter(Boolean).join(': ')] as const;
      });
      say(table(rows).join('\n'));
    }
    return answer.status === 200 ? 0 : 1;
  } catch (error) {
    say(`\n${state.api}/health/ready: ${messageOf(error)}`);
    return 1;
  }
}
