/** Waits, and resolves to false when the signal ended the wait. */
export function sleep(ms: number, signal: AbortSignal): Promise<boolean> {
  if (signal.aborted) return Promise.resolve(false);
  return new Promise((resolve) => {
    const onAbort = (): void => finish(false);
    const timer = setTimeout(() => finish(true), ms);
    const finish = (elapsed: boolean): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', onAbort);
      resolve(elapsed);
    };
    signal.addEventListener('abort', onAbort);
  });
}
