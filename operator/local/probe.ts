import { get } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import type { HttpProbe } from './workload.ts';

/** Asks once, as the kubelet does: any status from 200 to 399 is a success. A broken connection or a late answer is none. */
export function ask({ path, timeout }: HttpProbe, port: number, signal: AbortSignal): Promise<boolean> {
  return new Promise((resolve) => {
    const limit = AbortSignal.any([signal, AbortSignal.timeout(timeout)]);
    const request = get({ host: '127.0.0.1', port, path, agent: false, signal: limit }, (response) => {
      response.resume();
      resolve(response.statusCode !== undefined && response.statusCode >= 200 && response.statusCode < 400);
    });
    request.on('error', () => resolve(false));
  });
}

/**
 * Asks until it succeeds. The kubelet would ask once a period; here somebody is watching, so it asks more often within the same
 * time.
 *
 * @returns whether it succeeded before `failureThreshold` periods were over
 */
export async function succeeds(probe: HttpProbe, port: number, signal: AbortSignal): Promise<boolean> {
  const end = performance.now() + probe.period * probe.failureThreshold;
  while (!signal.aborted && performance.now() < end) {
    if (await ask(probe, port, signal)) return true;
    await sleep(100, undefined, { signal }).catch(() => undefined);
  }
  return false;
}

/** Watches a probe by its own period until `failureThreshold` askings in a row have failed, or the signal comes. */
export async function fails(probe: HttpProbe, port: number, signal: AbortSignal): Promise<void> {
  let failures = 0;
  while (!signal.aborted && failures < probe.failureThreshold) {
    await sleep(probe.period, undefined, { signal }).catch(() => undefined);
    if (signal.aborted) return;
    failures = (await ask(probe, port, signal)) ? 0 : failures + 1;
  }
}
