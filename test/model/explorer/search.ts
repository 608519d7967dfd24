// Breadth-first search over all that can happen: every reachable state once, so the first counterexample is a shortest
// one. A model says what can happen next; a schedule is the list of choices that leads to a state.

export interface Step<S> {
  readonly to: S;
  readonly label: () => string;
  /** An invariant that this very step breaks. */
  readonly broken?: string | undefined;
}

export interface Model<S> {
  readonly initial: S;
  /** Equal for states with equal futures. */
  key(state: S): string;
  /** Always in the same order. */
  next(state: S): readonly Step<S>[];
  /** An invariant that does not hold. */
  fault(state: S): string | undefined;
  /** Whether `next` or `fault` met something it has to learn first; then its answer does not count. */
  isLearning(): boolean;
  learn(): Promise<void>;
}

export interface Limits {
  readonly states: number;
  readonly ms: number;
  /** Searches only what begins like this: beginnings of the first lines of the story. */
  readonly begins?: readonly string[];
  /** Which broken invariants count; default all. */
  readonly looksFor?: RegExp;
  readonly onProgress?: (progress: { readonly states: number; readonly depth: number }) => void;
}

export interface Found {
  readonly states: number;
  readonly steps: number;
  /** Every schedule of up to so many steps was followed. */
  readonly depth: number;
  /** False: a limit cut the search off. */
  readonly isComplete: boolean;
  readonly broken: Counterexample | undefined;
}

export interface Counterexample {
  readonly invariant: string;
  readonly schedule: readonly number[];
  /** One line a step. */
  readonly story: readonly string[];
}

const PROGRESS_EVERY = 4096;

export async function search<S>(model: Model<S>, limits: Limits): Promise<Found> {
  const until = performance.now() + limits.ms;
  const looksFor = limits.looksFor ?? /./;
  const path = new Path();
  const begin = await begun(model, limits.begins ?? [], path);
  const seen = new Set([model.key(begin[0])]);
  let layer: [S, number][] = [begin];
  let steps = 0;
  let depth = 0;
  const found = (isComplete: boolean, broken?: Counterexample): Found => {
    return { states: seen.size, steps, depth, isComplete, broken };
  };
  while (layer.length > 0) {
    const below: [S, number][] = [];
    for (const [state, at] of layer) {
      const choices = await learned(model, () => model.next(state));
      for (const [choice, { to, broken }] of choices.entries()) {
        steps++;
        const key = model.key(to);
        const isOld = seen.has(key);
        if (isOld && broken === undefined) continue;
        seen.add(key);
        const here = path.add(at, choice);
        const counts = (invariant: string | undefined) => invariant !== undefined && looksFor.test(invariant);
        const invariant = counts(broken) ? broken : await learned(model, () => model.fault(to));
        if (invariant !== undefined && counts(invariant)) {
          const schedule = path.to(here);
          return found(false, { invariant, schedule, story: await retell(model, schedule) });
        }
        if (!isOld) below.push([to, here]);
        if (seen.size % PROGRESS_EVERY === 0) limits.onProgress?.({ states: seen.size, depth });
      }
      if (seen.size >= limits.states || performance.now() > until) return found(false);
    }
    layer = below;
    depth++;
  }
  return found(true);
}

async function begun<S>(model: Model<S>, lines: readonly string[], path: Path): Promise<[S, number]> {
  let state = model.initial;
  let at = path.root;
  for (const line of lines) {
    const from = state;
    const steps = await learned(model, () => model.next(from));
    const choice = steps.findIndex(({ label }) => label().startsWith(line));
    const step = steps[choice];
    if (step === undefined) throw new Error(`nothing begins with: ${line}`);
    state = step.to;
    at = path.add(at, choice);
  }
  return [state, at];
}

/** Follows a schedule from the start. @returns one line a step */
export async function retell<S>(model: Model<S>, schedule: readonly number[]): Promise<string[]> {
  const story: string[] = [];
  let state = model.initial;
  for (const choice of schedule) {
    const step = (await learned(model, () => model.next(state)))[choice];
    if (step === undefined) throw new Error(`step ${story.length + 1} of the schedule has no choice ${choice}`);
    story.push(step.label());
    state = step.to;
  }
  return story;
}

async function learned<T>(model: Pick<Model<never>, 'isLearning' | 'learn'>, ask: () => T): Promise<T> {
  for (;;) {
    const answer = ask();
    if (!model.isLearning()) return answer;
    await model.learn();
  }
}

/** Which choice led from where: a tree in two arrays. */
class Path {
  readonly root = 0;
  #parents = new Int32Array(1 << 16);
  #choices = new Int16Array(1 << 16);
  #size = 1;

  add(parent: number, choice: number): number {
    if (this.#size === this.#parents.length) {
      this.#parents = grown(this.#parents, new Int32Array(2 * this.#size));
      this.#choices = grown(this.#choices, new Int16Array(2 * this.#size));
    }
    this.#parents[this.#size] = parent;
    this.#choices[this.#size] = choice;
    return this.#size++;
  }

  to(end: number): number[] {
    const schedule: number[] = [];
    for (let at = end; at !== this.root; at = this.#parents[at] ?? 0) schedule.push(this.#choices[at] ?? 0);
    return schedule.toReversed();
  }
}

function grown<T extends Int32Array | Int16Array>(from: T, to: T): T {
  to.set(from);
  return to;
}
