// A hit of ours against a hit of each peer, in turn in one process on one Redis.

import { documentOf } from './app.ts';
import { CONTENDERS } from './contenders.ts';
import type { Context } from './context.ts';
import { idsOf, inTurn, latency, speed } from './hit.ts';
import { race, ratios, spread } from './measure.ts';
import { type Figure, goal } from './report.ts';

const SIZES = [100, 1000, 10_000, 100_000] as const;
const IN_FLIGHT = 64;
const BETTER = 1.3;

export async function peers(context: Context): Promise<Figure[]> {
  const figures: Figure[] = [];
  for (const size of context.isQuick ? ([1000] as const) : SIZES) figures.push(...(await ofSize(context, size)));
  return figures;
}

async function ofSize(context: Context, size: number): Promise<Figure[]> {
  const caches = await Promise.all(
    CONTENDERS.map((open) => open(context.redis, documentOf(size), async () => undefined)),
  );
  const ids = idsOf(IN_FLIGHT * 2).map((id) => `${id}-${size}`);
  const contenders = caches.map(({ name, read }) => {
    const id = inTurn(ids);
    return { name, call: () => read(id()) };
  });
  for (const { call } of contenders) for (const _ of ids) await call();
  const progress = (round: number) => context.progress(`hits of ${size} bytes, round ${round}`);
  const isMain = size === 1000;
  const rounds = context.rounds * (isMain ? 2 : 1);
  const [ours = [], ...theirs] = await race(contenders, { inFlight: IN_FLIGHT, rounds, roundMs: 80, progress });
  await Promise.all(caches.map(({ close }) => close()));
  const figures = theirs.map((rounds_, i): Figure => {
    const { name = '', version = '' } = caches[i + 1] ?? {};
    return {
      what: `${name} ${version}, ${size} bytes, ${IN_FLIGHT} in flight`,
      value: spread(rounds_.map(speed)),
      unit: 'per second',
      ratio: ratios(rounds_.map(speed), ours.map(speed)),
      to: 'our hit',
      also: latency(rounds_),
    };
  });
  const best = ours.map((_, round) => Math.max(...theirs.map((each) => each[round]?.perSecond ?? 0)));
  const ratio = ratios(ours.map(speed), best);
  return [
    {
      what: `hit, ${size} bytes, ${IN_FLIGHT} in flight`,
      value: spread(ours.map(speed)),
      unit: 'per second',
      ratio,
      to: 'the best peer',
      also: latency(ours),
      ...(isMain && goal(`at least ${BETTER}`, ratio.median >= BETTER)),
    },
    ...figures,
  ];
}
