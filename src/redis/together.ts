// Calls of one tick that go out together as one command: each costs client and server a fraction of what it costs alone.
// Whatever waits goes out before any other call, so calls take effect in the order issued.

export interface Outbox {
  /** @param send called before anything else goes out, and in any case at the end of the tick */
  readonly hold: (send: () => void) => void;
  readonly flush: () => void;
}

export function createOutbox(): Outbox {
  let waiting: (() => void) | undefined;

  function flush(): void {
    const send = waiting;
    waiting = undefined;
    send?.();
  }

  function hold(send: () => void): void {
    flush();
    waiting = send;
    // After the promises that are due, whose continuations call too.
    process.nextTick(flush);
  }

  return { hold, flush };
}

export interface TogetherOptions<R, T> {
  readonly most: number;
  /** Whether two requests can be in one command. */
  readonly fits: (a: R, b: R) => boolean;
  /** Replies in the order of the requests. */
  readonly send: (keys: readonly string[], requests: readonly [R, ...R[]]) => Promise<readonly T[]>;
}

/** @param outbox undefined: each call goes out alone */
export function createTogether<R, T>(
  outbox: Outbox | undefined,
  { most, fits, send }: TogetherOptions<R, T>,
): (key: string, request: R) => Promise<T> {
  let batch: Batch<R, T> | undefined;

  function flush(): void {
    if (batch === undefined) return;
    const { keys, requests, settle } = batch;
    batch = undefined;
    send(keys, requests).then(
      (replies) => settle.forEach(({ resolve }, i) => resolve(replies[i] as T)),
      (error: unknown) => {
        for (const { reject } of settle) reject(error);
      },
    );
  }

  if (outbox === undefined) return async (key, request) => (await send([key], [request]))[0] as T;
  return (key, request) =>
    new Promise((resolve, reject) => {
      if (batch !== undefined && (batch.keys.length >= most || !fits(batch.requests[0], request))) outbox.flush();
      if (batch === undefined) {
        batch = { keys: [key], requests: [request], settle: [{ resolve, reject }] };
        outbox.hold(flush);
      } else {
        batch.keys.push(key);
        batch.requests.push(request);
        batch.settle.push({ resolve, reject });
      }
    });
}

interface Batch<R, T> {
  readonly keys: string[];
  readonly requests: [R, ...R[]];
  readonly settle: { readonly resolve: (reply: T) => void; readonly reject: (error: unknown) => void }[];
}
