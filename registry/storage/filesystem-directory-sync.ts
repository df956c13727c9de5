/** Syncing directories, once for all who wait for the same one. */
import { closeFile, codeOf, openFile } from './filesystem-calls.ts';

/** Not all file systems can sync a directory: there nothing more can be done. */
const UNSYNCABLE = new Set(['EINVAL', 'ENOTSUP', 'EBADF']);

/** Syncs an open file or directory. */
export type SyncCall = (descriptor: number) => Promise<void>;

/**
 * Makes the call that syncs a directory. A sync covers what was done before it began; so who
 * comes while one is under way waits for the next, together with all others who do. It costs them no time, since the
 * journal would have them wait for the commit that is under way as well.
 */
export function createDirectorySync(sync: SyncCall): (directory: string) => Promise<void> {
  const running = new Map<string, Promise<void>>();
  const next = new Map<string, Promise<void>>();

  function begin(directory: string): Promise<void> {
    const work = syncNow(directory, sync).finally(() => {
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

async function syncNow(directory: string, sync: SyncCall): Promise<void> {
  const descriptor = await openFile(directory, 'r');
  try {
    await sync(descriptor).catch((error: unknown) => {
      if (!UNSYNCABLE.has(codeOf(error) ?? '')) throw error;
    });
  } finally {
    await closeFile(descriptor);
  }
}
