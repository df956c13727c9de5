/**
 * Who may write into an upload. Processes that share a folder have no lock that all file systems keep, but renaming is
 * atomic everywhere: whoever gives `data` a name of its own holds the upload, and gives the name back when it is done.
 * So bytes that were once acknowledged never change, and a file that becomes a blob has no other writer.
 *
 * A holder that died leaves its file behind; one that seems dead may be alive. Neither's file is written into: the next
 * one takes a copy of it and removes the other's name, and a holder that comes back finds that it no longer holds anything.
 */
import { constants } from 'node:fs';
import { copyFile, readdir, rename, truncate, unlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { isAbsence, statIfThere } from './filesystem-calls.ts';
import { DRIVER, isTemporary, type Names } from './filesystem-names.ts';
import { nameOf } from './paths.ts';
import { StoreError } from './store.ts';

/** How often a claim starts again when others move the file under it. */
const ATTEMPTS = 20;

export interface Claims {
  /**
   * Takes the file at `location`, which has to have `size` bytes; resolves with the name under which it is held. Throws
   * `conflict` when it has another size, `not-found` when the upload is gone.
   */
  take(location: string, size: number): Promise<string>;
  /** Gives the name back. Throws `conflict` if somebody else took the file over meanwhile. */
  release(held: string, location: string): Promise<void>;
  /** Where the bytes are now, held by somebody or not. */
  find(location: string): Promise<{ readonly location: string; readonly size: number } | undefined>;
}

export function createClaims(names: Names): Claims {
  const conflict = (location: string): StoreError => new StoreError('conflict', DRIVER, location);

  /** The file under another holder's name; the youngest if a crash left several. */
  async function foreign(location: string) {
    const prefix = `${nameOf(location)}.`;
    const folder = dirname(location);
    const entries = await readdir(folder).catch((error: unknown) => {
      if (isAbsence(error)) return [];
      throw error;
    });
    const held = entries
      .filter((name) => name.startsWith(prefix) && isTemporary(name))
      .map((name) => join(folder, name));
    const found = await Promise.all(held.map(async (name) => ({ location: name, stats: await statIfThere(name) })));
    return found
      .flatMap(({ location: name, stats }) =>
        stats?.isFile() ? [{ location: name, size: stats.size, mtimeMs: stats.mtimeMs }] : [],
      )
      .sort((one, other) => other.mtimeMs - one.mtimeMs)[0];
  }

  /** A copy of the other's bytes, and the end of the other's hold. `false` if the other has let go by itself. */
  async function takeOver(from: string, held: string, size: number): Promise<boolean> {
    const copy = names.aside(join(dirname(held), 'taken'));
    try {
      await copyFile(from, copy, constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE);
      await truncate(copy, size);
      await rename(copy, held);
      await unlink(from);
      return true;
    } catch (error) {
      await Promise.allSettled([unlink(copy), unlink(held)]);
      if (isAbsence(error)) return false;
      throw error;
    }
  }

  /** Takes the file if nobody holds it. `undefined` if it does not go by its own name. */
  async function takeFree(location: string, size: number): Promise<string | undefined> {
    const held = names.aside(location);
    try {
      await rename(location, held);
    } catch (error) {
      if (isAbsence(error)) return undefined;
      throw error;
    }
    if ((await statIfThere(held))?.size === size) return held;
    await rename(held, location);
    throw conflict(location);
  }

  async function take(location: string, size: number): Promise<string> {
    let unseen = 0;
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      const free = await takeFree(location, size);
      if (free !== undefined) return free;
      const other = await foreign(location);
      if (other === undefined) {
        // Names that change hands while a folder is read can be missed; a second look tells that from absence.
        unseen++;
        if (unseen > 1 && (await statIfThere(location)) === undefined)
          throw new StoreError('not-found', DRIVER, location);
        continue;
      }
      if (other.size !== size) throw conflict(location);
      const held = names.aside(location);
      if (await takeOver(other.location, held, size)) return held;
    }
    throw conflict(location);
  }

  return {
    take,

    async release(held, location) {
      await rename(held, location).catch((error: unknown) => {
        throw isAbsence(error) ? conflict(location) : error;
      });
    },

    async find(location) {
      const free = await statIfThere(location);
      if (free?.isFile()) return { location, size: free.size };
      const other = await foreign(location);
      if (other !== undefined) return other;
      // Its holder may have let go between the two looks.
      const again = await statIfThere(location);
      return again?.isFile() ? { location, size: again.size } : undefined;
    },
  };
}
