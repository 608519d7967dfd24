// Runs once before all tests: what they need of the machine is there, or is installed, as for `npm start`.

import { redisCommand } from '../../local/services/redis.ts';

export async function setup(): Promise<void> {
  await redisCommand({ note: (line) => process.stderr.write(`${line}\n`) });
}
