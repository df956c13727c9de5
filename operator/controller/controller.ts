import type { Logger } from '../log.ts';
import type { Metrics } from '../metrics.ts';
import type { Outcome } from './outcome.ts';
import type { Queue } from './queue.ts';

/** Works keys off a queue. Any number of controllers can run side by side, each with a queue of its own. */
export interface Controller {
  start(): void;
  /** Takes no more keys, and waits for those under way; after `graceMs` their signal fires. */
  stop(graceMs: number): Promise<void>;
}

export interface ControllerOptions {
  name: string;
  queue: Queue;
  /** Reads the whole state behind a key and acts on it. */
  reconcile: (key: string, options: { signal: AbortSignal }) => Promise<Outcome>;
  workers: number;
  /** Longest time for one key. */
  deadlineMs: number;
  metrics: Metrics;
  log: Logger;
  /** Milliseconds, from any point in time. */
  now: () => number;
}

export function createController(options: ControllerOptions): Controller {
  const { name, queue, reconcile, workers, deadlineMs, metrics, log, now } = options;
  const labels = { controller: name };
  const cut = new AbortController();
  let running: Promise<unknown> | undefined;

  /** One key through `reconcile`; whatever it throws stays in here. */
  async function attempt(key: string): Promise<Outcome> {
    const deadline = AbortSignal.timeout(deadlineMs);
    try {
      return await reconcile(key, { signal: AbortSignal.any([cut.signal, deadline]) });
    } catch (thrown) {
      const error = thrown instanceof Error ? thrown : new Error(String(thrown));
      if (!cut.signal.aborted) {
        metrics.panics.inc(labels);
        log.error(
          { controller: name, key, error: error.message, stack: error.stack },
          'reconciliation ended unexpectedly',
        );
      }
      return { fate: 'failed', error };
    } finally {
      if (deadline.aborted) metrics.timeouts.inc(labels);
    }
  }

  function conclude(key: string, outcome: Outcome): void {
    switch (outcome.fate) {
      case 'settled':
        metrics.reconcileTotal.inc({ ...labels, result: 'success' });
        queue.forget(key);
        return;
      case 'again':
        metrics.reconcileTotal.inc({ ...labels, result: 'requeue_after' });
        queue.forget(key);
        queue.addAfter(key, outcome.afterMs);
        return;
      case 'stalled':
        metrics.reconcileTotal.inc({ ...labels, result: 'error' });
        metrics.terminalErrors.inc(labels);
        queue.forget(key);
        return;
      case 'failed':
        if (cut.signal.aborted) return;
        metrics.reconcileTotal.inc({ ...labels, result: 'error' });
        metrics.reconcileErrors.inc(labels);
        log.warn(
          { controller: name, key, error: outcome.error.message },
          'reconciliation failed, it will be tried again',
        );
        if (outcome.afterMs === undefined) queue.retry(key);
        else queue.addAfter(key, outcome.afterMs);
        return;
      default:
        outcome satisfies never;
    }
  }

  async function work(): Promise<void> {
    for (let key = await queue.take(); key !== undefined; key = await queue.take()) {
      const started = now();
      metrics.activeWorkers.inc(labels);
      try {
        conclude(key, await attempt(key));
      } finally {
        queue.done(key);
        metrics.activeWorkers.dec(labels);
        metrics.reconcileTime.observe(labels, (now() - started) / 1000);
      }
    }
  }

  return {
    start() {
      metrics.maxConcurrent.set(labels, workers);
      running ??= Promise.all(Array.from({ length: workers }, work));
    },
    async stop(graceMs) {
      const timer = setTimeout(() => cut.abort(), graceMs);
      try {
        await queue.close();
        await running;
      } finally {
        clearTimeout(timer);
      }
    },
  };
}
