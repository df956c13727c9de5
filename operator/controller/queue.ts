import type { QueueMetrics } from '../metrics.ts';

/** Time as the queue needs it, so that tests can turn it by hand. */
export interface Clock {
  /** Milliseconds, from any point in time. */
  now(): number;
  /** Calls back once after `ms`. Returns what undoes it. */
  after(ms: number, call: () => void): () => void;
}

/**
 * Keys that wait for work. A key is in it at most once, however often it is added; a key that is added while a worker has it comes back when
 * the worker is done, and never goes to two workers at a time.
 */
export interface Queue {
  /** Asks for the key to be worked on as soon as a worker is free. */
  add(key: string): void;
  /** The same, after `ms`. The earliest of several delays counts. */
  addAfter(key: string, ms: number): void;
  /** The same, after the key's back-off, which doubles from call to call. */
  retry(key: string): void;
  /** Resets the key's back-off. */
  forget(key: string): void;
  /** The next key; `undefined` once the queue is closed. Whoever takes a key has to call `done`. */
  take(): Promise<string | undefined>;
  done(key: string): void;
  /** Nothing is handed out any more, and delays end. Resolves when every key taken is done. */
  close(): Promise<void>;
  /** Keys that wait, delayed ones not counted. */
  readonly depth: number;
}

export interface QueueOptions {
  name: string;
  clock: Clock;
  /** In [0, 1). */
  random: () => number;
  metrics?: QueueMetrics | undefined;
  /** First and longest back-off. */
  firstDelayMs?: number;
  maxDelayMs?: number;
}

export function createQueue(options: QueueOptions): Queue {
  const { name, clock, random, metrics, firstDelayMs = 200, maxDelayMs = 300_000 } = options;
  const labels = { name };
  /** Keys to work on, with the time since when, in order of arrival. */
  const waiting = new Map<string, number>();
  /** Keys at a worker, with the time since when. */
  const working = new Map<string, number>();
  /** Keys added while at a worker. */
  const dirty = new Set<string>();
  const failures = new Map<string, number>();
  const delays = createDelays(clock, add);
  const takers: ((key: string | undefined) => void)[] = [];
  let closed: PromiseWithResolvers<void> | undefined;

  function add(key: string): void {
    if (closed !== undefined) return;
    delays.drop(key);
    if (working.has(key)) {
      dirty.add(key);
      return;
    }
    if (waiting.has(key)) return;
    waiting.set(key, clock.now());
    metrics?.adds.inc(labels);
    metrics?.depth.set(labels, waiting.size);
    const taker = takers.shift();
    if (taker !== undefined) taker(next());
  }

  function next(): string | undefined {
    for (const [key, since] of waiting) {
      const now = clock.now();
      waiting.delete(key);
      working.set(key, now);
      metrics?.depth.set(labels, waiting.size);
      metrics?.queueDuration.observe(labels, (now - since) / 1000);
      return key;
    }
    return undefined;
  }

  return {
    add,
    addAfter(key, ms) {
      if (closed === undefined) delays.set(key, ms);
    },
    retry(key) {
      if (closed !== undefined) return;
      const count = failures.get(key) ?? 0;
      failures.set(key, count + 1);
      metrics?.retries.inc(labels);
      const delay = Math.min(maxDelayMs, firstDelayMs * 2 ** Math.min(count, 32));
      delays.set(key, delay * (0.75 + random() / 4));
    },
    forget(key) {
      failures.delete(key);
    },
    async take() {
      if (closed !== undefined) return undefined;
      return next() ?? new Promise((resolve) => takers.push(resolve));
    },
    done(key) {
      const since = working.get(key);
      if (since === undefined) return;
      working.delete(key);
      metrics?.workDuration.observe(labels, (clock.now() - since) / 1000);
      if (dirty.delete(key)) add(key);
      if (working.size === 0) closed?.resolve();
    },
    async close() {
      if (closed === undefined) {
        closed = Promise.withResolvers();
        delays.clear();
        waiting.clear();
        metrics?.depth.set(labels, 0);
        for (const taker of takers.splice(0)) taker(undefined);
        if (working.size === 0) closed.resolve();
      }
      await closed.promise;
    },
    get depth() {
      return waiting.size;
    },
  };
}

/** Keys with the time at which they are due: a binary heap under one timer, with entries that were overtaken left in it until they come up. */
function createDelays(clock: Clock, due: (key: string) => void) {
  const heap: { key: string; at: number }[] = [];
  const dueAt = new Map<string, number>();
  let timer: { at: number; cancel: () => void } | undefined;

  function schedule(): void {
    const first = heap[0];
    if (timer !== undefined && timer.at === first?.at) return;
    timer?.cancel();
    timer =
      first === undefined
        ? undefined
        : { at: first.at, cancel: clock.after(Math.max(0, first.at - clock.now()), fire) };
  }

  function fire(): void {
    timer = undefined;
    const now = clock.now();
    for (let first = heap[0]; first !== undefined && first.at <= now; first = heap[0]) {
      pop(heap);
      if (dueAt.get(first.key) === first.at) {
        dueAt.delete(first.key);
        due(first.key);
      }
    }
    schedule();
  }

  return {
    set(key: string, ms: number): void {
      const at = clock.now() + ms;
      if (at >= (dueAt.get(key) ?? Number.POSITIVE_INFINITY)) return;
      dueAt.set(key, at);
      push(heap, { key, at });
      schedule();
    },
    drop(key: string): void {
      dueAt.delete(key);
    },
    clear(): void {
      heap.length = 0;
      dueAt.clear();
      schedule();
    },
  };
}

function push<T extends { at: number }>(heap: T[], entry: T): void {
  let index = heap.push(entry) - 1;
  while (index > 0) {
    const parent = (index - 1) >> 1;
    const above = heap[parent] as T;
    if (above.at <= entry.at) break;
    heap[index] = above;
    heap[parent] = entry;
    index = parent;
  }
}

function pop<T extends { at: number }>(heap: T[]): void {
  const last = heap.pop();
  if (last === undefined || heap.length === 0) return;
  let index = 0;
  for (;;) {
    let child = 2 * index + 1;
    const right = heap[child + 1];
    const left = heap[child];
    if (left === undefined) break;
    if (right !== undefined && right.at < left.at) child++;
    const least = heap[child] as T;
    if (least.at >= last.at) break;
    heap[index] = least;
    index = child;
  }
  heap[index] = last;
}
