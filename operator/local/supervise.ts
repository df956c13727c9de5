import { setTimeout as sleep } from 'node:timers/promises';
import type { Child } from './child.ts';
import { fails, succeeds } from './probe.ts';
import type { Workload } from './workload.ts';

/** What the supervisor tells; each once for what happened. */
export interface Reporter {
  starting(attempt: number): void;
  /** The startup probe has succeeded; storage is being waited for. */
  started(pid: number): void;
  ready(): void;
  /** The readiness probe has failed. */
  unready(): void;
  /** The server ended, or was ended, for this reason; the next start is so many milliseconds away. */
  restarting(reason: string, delay: number): void;
  stopping(grace: number): void;
}

/** How a supervised server came to its end: on request, or because it never came up. */
export type End = { readonly type: 'stopped' } | { readonly type: 'never-ready'; readonly reason: string };

const FIRST_DELAY = 1000;
const LONGEST_DELAY = 30_000;

/** A server that stayed ready for so long has earned a short delay again. */
const SETTLED = 60_000;

/**
 * Runs the server as a kubelet would until the signal comes: startup, liveness and readiness probes, a restart with growing
 * delays when it ends or hangs. Unlike a kubelet it gives up when the server has never been ready: then the file needs a change,
 * and somebody is there to make it.
 */
export async function supervise(
  workload: Workload,
  debugPort: number,
  start: () => Promise<Child>,
  report: Reporter,
  signal: AbortSignal,
): Promise<End> {
  let delay = FIRST_DELAY;
  let everReady = false;
  for (let attempt = 1; ; attempt++) {
    if (signal.aborted) return { type: 'stopped' };
    report.starting(attempt);
    const since = performance.now();
    const child = await start();
    const run = await watch(workload, debugPort, child, report, signal);
    if (signal.aborted) {
      report.stopping(workload.grace);
      await child.stop(workload.grace);
      return { type: 'stopped' };
    }
    await child.stop(workload.grace);
    everReady ||= run.wasReady;
    if (!everReady) return { type: 'never-ready', reason: run.reason };
    if (performance.now() - since > SETTLED) delay = FIRST_DELAY;
    report.restarting(run.reason, delay);
    await sleep(delay, undefined, { signal }).catch(() => undefined);
    delay = Math.min(delay * 2, LONGEST_DELAY);
  }
}

/** Watches one run of the server until it must be restarted or the signal comes. */
async function watch(
  workload: Workload,
  debugPort: number,
  child: Child,
  report: Reporter,
  signal: AbortSignal,
): Promise<{ readonly wasReady: boolean; readonly reason: string }> {
  const over = new AbortController();
  const until = AbortSignal.any([signal, over.signal]);
  let wasReady = false;
  const ended = child.ended.then((how) => `the server ended with ${how}`);
  const probed = (async () => {
    if (!(await succeeds(workload.startup, debugPort, until))) return 'the server did not start in time';
    report.started(child.pid);
    const hung = fails(workload.liveness, debugPort, until);
    const readiness = (async () => {
      while (!until.aborted) {
        if (!(await succeeds(workload.readiness, debugPort, until))) continue;
        wasReady = true;
        report.ready();
        await fails(workload.readiness, debugPort, until);
        if (!until.aborted) report.unready();
      }
    })();
    await Promise.race([hung, readiness]);
    return 'the server did not answer its liveness probe';
  })();
  const reason = await Promise.race([ended, probed]);
  over.abort();
  await probed;
  return { wasReady, reason };
}
