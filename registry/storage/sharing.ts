/**
 * One request for all who ask a store the same at the same time, where each costs a round trip. No answer is older than its
 * question: who comes while a request is under way does not get that one's answer, which may have been on its way already,
 * but waits for the next request, together with all others who do. So any number of clients that want one object cost two.
 */
import { untilAborted } from './abort.ts';
import type { Store } from './store.ts';

/** Runs `work` for a key, or has the caller wait for somebody else's. Rejects with the signal's reason as soon as it fires. */
export type Sharing<T> = (
  key: string,
  /** Its signal fires when nobody waits for it any more. */
  work: (signal: AbortSignal) => Promise<T>,
  signal: AbortSignal | undefined,
) => Promise<T>;

/** Milliseconds that the next request waits for one that is under way: a store that hangs must not hold up more than it has to. */
const PATIENCE = 500;

interface Group<T> {
  readonly outcome: Promise<T>;
  readonly begin: () => Promise<void>;
  readonly controller: AbortController;
  members: number;
}

export function createSharing<T>(patience = PATIENCE): Sharing<T> {
  const running = new Map<string, Promise<void>>();
  const next = new Map<string, Group<T>>();

  function begin(key: string, group: Group<T>): void {
    const work = group.begin().finally(() => {
      if (running.get(key) === work) running.delete(key);
    });
    running.set(key, work);
  }

  /** The group of those who come now. */
  function groupFor(key: string, work: (signal: AbortSignal) => Promise<T>): Group<T> {
    const waiting = next.get(key);
    if (waiting !== undefined) return waiting;
    const group = groupOf(work);
    const current = running.get(key);
    if (current === undefined) {
      begin(key, group);
      return group;
    }
    next.set(key, group);
    const start = (): void => {
      clearTimeout(timer);
      // Unless all have left.
      if (next.get(key) !== group) return;
      next.delete(key);
      begin(key, group);
    };
    const timer = setTimeout(start, patience);
    void current.then(start);
    return group;
  }

  return async (key, work, signal) => {
    signal?.throwIfAborted();
    const group = groupFor(key, work);
    group.members++;
    try {
      return await untilAborted(group.outcome, signal);
    } finally {
      if (--group.members === 0) {
        if (next.get(key) === group) next.delete(key);
        group.controller.abort(new Error('nobody waits for it'));
      }
    }
  };
}

function groupOf<T>(work: (signal: AbortSignal) => Promise<T>): Group<T> {
  const controller = new AbortController();
  const { promise: outcome, resolve, reject } = Promise.withResolvers<T>();
  // All who waited may have left.
  outcome.catch(() => {});
  const begin = async (): Promise<void> => {
    try {
      resolve(await work(controller.signal));
    } catch (error) {
      reject(error);
    }
  };
  return { outcome, begin, controller, members: 0 };
}

/** The store with its looks at an object, and its reads of small ones, shared by all who ask for the same. */
export function shareReads(store: Store): Store {
  const stats = createSharing<Awaited<ReturnType<Store['stat']>>>();
  const reads = createSharing<Buffer | undefined>();
  return {
    ...store,
    stat: (path, options) => stats(path, (signal) => store.stat(path, { ...options, signal }), options?.signal),
    read: (path, options) => reads(path, (signal) => store.read(path, { ...options, signal }), options?.signal),
  };
}
