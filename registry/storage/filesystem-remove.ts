/** Removing files and whole directories, while others may be writing into them. */
import { lstat, readdir, rmdir, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { allDone } from './abort.ts';
import { codeOf, isAbsence } from './filesystem-calls.ts';

/** How many files are removed side by side. */
const WIDTH = 16;
/** How often a directory that fills again while it is being removed is emptied anew. */
const ATTEMPTS = 20;

/** Removes a file, or a directory with all below it; symbolic links are removed, not followed. `false` if nothing was there. */
export async function removeTree(location: string, signal: AbortSignal | undefined): Promise<boolean> {
  try {
    await unlink(location);
    return true;
  } catch (error) {
    if (isAbsence(error)) return false;
    // Linux answers EISDIR; POSIX has EPERM, which also means what it says.
    const directory =
      codeOf(error) === 'EISDIR' || (codeOf(error) === 'EPERM' && (await lstat(location)).isDirectory());
    if (!directory) throw error;
  }
  return await removeDirectory(location, signal);
}

async function removeDirectory(directory: string, signal: AbortSignal | undefined): Promise<boolean> {
  for (let attempt = 1; ; attempt++) {
    try {
      await emptyDirectory(directory, signal);
      await rmdir(directory);
      return true;
    } catch (error) {
      if (isAbsence(error)) return attempt > 1;
      if (codeOf(error) !== 'ENOTEMPTY' || attempt === ATTEMPTS) throw error;
    }
  }
}

async function emptyDirectory(directory: string, signal: AbortSignal | undefined): Promise<void> {
  const children = await readdir(directory, { withFileTypes: true });
  for (let at = 0; at < children.length; at += WIDTH) {
    signal?.throwIfAborted();
    await allDone(
      children.slice(at, at + WIDTH).map(async (child) => {
        const location = join(directory, child.name);
        if (child.isDirectory()) await removeDirectory(location, signal);
        else await removeTree(location, signal);
      }),
    );
  }
}
