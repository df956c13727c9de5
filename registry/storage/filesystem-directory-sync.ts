/** Syncing directories, once for all who wait for the same one. */
import type fs from 'node:fs';
import { closeFile, codeOf, openFile, statDescriptor, syncFile } from './filesystem-calls.ts';

/** Not all file systems can sync a directory: there nothing more can be done. */
const UNSYNCABLE = new Set(['EINVAL', 'ENOTSUP', 'EBADF']);

/**
 * Makes the call that syncs a directory and tells which one it was. A sync covers what was done before it began; so who
 * comes while one is under way waits for the next, together with all others who do. It costs them no time, since the
 * journal would have them wait for the commit that is under way as well.
 */
export function createDirectorySync(): (directory: string) => Promise<fs.Stats> {
  const running = new Map<string, Promise<fs.Stats>>();
  const next = new Map<string, Promise<fs.Stats>>();

  function begin(directory: string): Promise<fs.Stats> {
    const work = syncNow(directory).finally(() => {
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

async function syncNow(directory: string): Promise<fs.Stats> {
  const descriptor = await openFile(directory, 'r');
  try {
    const stats = await statDescriptor(descriptor);
    await syncFile(descriptor).catch((error: unknown) => {
      if (!UNSYNCABLE.has(codeOf(error) ?? '')) throw error;
    });
    return stats;
  } finally {
    await closeFile(descriptor);
  }
}
