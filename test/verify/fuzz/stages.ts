// The stages of a campaign, each started when the first schedule needs it and kept for the others.

import { startClusterStage } from './cluster-stage.ts';
import type { StageKind } from './schedule.ts';
import { startSingleStage } from './single-stage.ts';
import type { Stage } from './stage.ts';

export function createStages() {
  const started = new Map<StageKind, Stage>();

  /** Another one takes its place, if it is needed again. */
  async function end(kind: StageKind): Promise<void> {
    const stage = started.get(kind);
    started.delete(kind);
    await stage?.end();
  }

  return {
    async get(kind: StageKind): Promise<Stage> {
      const stage = started.get(kind) ?? (await (kind === 'single' ? startSingleStage() : startClusterStage()));
      started.set(kind, stage);
      return stage;
    },
    end,
    endAll: () => Promise.all([...started.keys()].map(end)),
  };
}

export type Stages = ReturnType<typeof createStages>;
