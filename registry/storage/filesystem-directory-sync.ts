/** Syncing directories, once for all who wait for the same one. */
import { codeOf } from './filesystem-calls.ts';
import type { NearCalls } from './filesystem-local.ts';

/** Not all file systems can sync a directory: there nothing more can be done. */
const UNSYNCABLE = new Set(['EINVAL', 'ENOTSUP', 'EBADF']);

/** Syncs an open file or directory. */
export type SyncCall = (descriptor: number) => Promise<void>;

/**
 * Makes the call that syncs a directory. A sync covers what was done before it began; so who
 * comes while one is under way waits for the next, together with all others who do. It costs them no time, since the
 * journal would have them wait for the commit that is under way as well.
 */
export function createDirectorySync(sync: SyncCall, near: NearCalls): (directory: string) => Promise<void> {
  const running = new Map<string, Promise<void>>();
  const next = new Map<string, Promise<void>>();

  function begin(directory: string): Promise<void> {
    const work = syncNow(directory, sync, near).finally(() => {
      if (running.get(directory) === work) running.delete(directory);
    });
    running.set(directory, work);
    return work;
  }

  return (directory) => {
    const waiting = next.get(directory);
    if (waiting !== undefined) return waiting;
    const current = running.get(directory);
    if (current === undefined) return begin(directory);
    const following = current
      .catch(() => {})
      .then(() => {
        next.delete(directory);
        return begin(directory);
      });
    next.set(directory, following);
    return following;
  };
}

async function syncNow(directory: string, sync: SyncCall, near: NearCalls): Promise<void> {
  const descriptor = await near.open(directory);
  try {
    await sync(descriptor).catch((error: unknown) => {
      if (!UNSYNCABLE.has(codeOf(error) ?? '')) throw error;
    });
  } finally {
    await near.close(descriptor);
  }
}
