import { setTimeout as sleep } from 'node:timers/promises';

/**
 * Repeats a check until it holds and gives what it gave. The last failure is thrown once the patience, in milliseconds, is
 * at an end: it is generous, since a test that waits is only slow, and one that gives up early is wrong.
 */
export async function eventually<T>(check: () => Promise<T> | T, patience = 60_000): Promise<T> {
  for (const end = performance.now() + patience; ; await sleep(100)) {
    try {
      return await check();
    } catch (error) {
      if (performance.now() > end) throw error;
    }
  }
}
