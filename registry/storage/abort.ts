/**
 * Leaving early. Node cannot call back a system call that hangs in its thread pool, but whoever waits for it can go.
 */

/** The work's outcome, or the signal's reason as soon as it fires. The work itself goes on and cleans up after itself. */
export function untilAborted<T>(work: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return work;
  return new Promise<T>((resolve, reject) => {
    const leave = () => reject(signal.reason);
    const settle = () => signal.removeEventListener('abort', leave);
    if (signal.aborted) leave();
    else signal.addEventListener('abort', leave, { once: true });
    work.then(resolve, reject).finally(settle);
  });
}

/** All of the work, whatever becomes of its parts; then the first failure, if any. Nothing runs on behind the caller. */
export async function allDone(work: Iterable<Promise<unknown>>): Promise<void> {
  for (const outcome of await Promise.allSettled(work)) {
    if (outcome.status === 'rejected') throw outcome.reason;
  }
}

interface Waiter {
  readonly signal: AbortSignal;
  readonly reject: (reason: unknown) => void;
}

export interface AbortWatch {
  /** Rejects when the signal has fired, within `sweepMs`, unless the function that it returns was called first. */
  watch(signal: AbortSignal, reject: (reason: unknown) => void): () => void;
  close(): void;
}

/**
 * For calls that take microseconds, where a listener on the signal would cost as much as the call: signals of the calls
 * that are still open are looked at every `sweepMs`. The timer runs only while there are such calls.
 */
export function createAbortWatch(sweepMs: number): AbortWatch {
  const waiting = new Set<Waiter>();
  let timer: NodeJS.Timeout | undefined;

  function sweep(): void {
    for (const waiter of waiting) {
      if (!waiter.signal.aborted) continue;
      waiting.delete(waiter);
      waiter.reject(waiter.signal.reason);
    }
    if (waiting.size === 0) stop();
  }

  function stop(): void {
    clearInterval(timer);
    timer = undefined;
  }

  return {
    watch(signal, reject) {
      const waiter = { signal, reject };
      waiting.add(waiter);
      timer ??= setInterval(sweep, sweepMs).unref();
      return () => {
        waiting.delete(waiter);
      };
    },
    close: stop,
  };
}
