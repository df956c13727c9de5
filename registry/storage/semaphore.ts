/** Bounds how much runs at once; who waits can be called back. */
export interface Semaphore {
  /** Runs the work as soon as a place is free. Rejects with the signal's reason if it fires while waiting. */
  run<T>(work: () => Promise<T>, signal?: AbortSignal | undefined): Promise<T>;
  /** Runs the work if a place is free right now; `undefined` if not. */
  tryRun<T>(work: () => Promise<T>): Promise<T> | undefined;
}

interface Waiter {
  readonly admit: () => void;
}

export function createSemaphore(places: number): Semaphore {
  let free = places;
  // A Set keeps the order of arrival and lets a waiter leave from the middle.
  const waiting = new Set<Waiter>();

  function release(): void {
    const next = waiting.values().next().value;
    if (next === undefined) {
      free++;
      return;
    }
    waiting.delete(next);
    next.admit();
  }

  function acquire(signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      const leave = () => {
        waiting.delete(waiter);
        reject(signal?.reason);
      };
      const waiter = {
        admit: () => {
          signal?.removeEventListener('abort', leave);
          resolve();
        },
      };
      waiting.add(waiter);
      signal?.addEventListener('abort', leave, { once: true });
    });
  }

  async function held<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } finally {
      release();
    }
  }

  return {
    async run(work, signal) {
      signal?.throwIfAborted();
      if (free > 0) free--;
      else await acquire(signal);
      return await held(work);
    },

    tryRun(work) {
      if (free === 0) return undefined;
      free--;
      return held(work);
    },
  };
}
