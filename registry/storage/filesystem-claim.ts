/**
 * Who may write into an upload. Processes that share a folder have no lock that all file systems keep, but renaming is
 * atomic everywhere: whoever gives `data` a name of its own holds the upload, and gives the name back when it is done.
 * So bytes that were once acknowledged never change, and a file that becomes a blob has no other writer.
 *
 * A holder that died leaves its file behind; one that seems dead may be alive. Neither's file is written into: the next
 * one renames it away, which ends the other's hold, and goes on with a copy. There is one such file at any time, under one
 * of three names: `data`, `data.UUID.tmp` (held), `taken.UUID.tmp` (being copied). Each step moves it, or, at the end of a
 * copy, removes it and puts the copy (`ready.UUID.tmp`) in its place; so two can never believe that they hold the same upload.
 */
import { readdir, rename, unlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { closeFile, isAbsence, openFile, readFully, statIfThere, writeFully } from './filesystem-calls.ts';
import { DRIVER, isTemporary, type Names } from './filesystem-names.ts';
import { nameOf } from './paths.ts';
import { StoreError } from './store.ts';

/** How often a claim starts again when others move the file under it. */
const ATTEMPTS = 20;
/** How often nothing is to be seen before it counts as gone, and milliseconds between the later looks. */
const LOOKS = 3;
const PAUSE_MS = 2;

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

  /** The file under another holder's name. */
  async function foreign(location: string) {
    const folder = dirname(location);
    const entries = await readdir(folder).catch((error: unknown) => {
      if (isAbsence(error)) return [];
      throw error;
    });
    // A complete copy counts only where a crash left nothing else.
    const prefixes = [`${nameOf(location)}.`, 'taken.', 'ready.'];
    const held = prefixes
      .map((prefix) => entries.find((name) => isTemporary(name) && name.startsWith(prefix)))
      .find((name) => name !== undefined);
    const stats = held === undefined ? undefined : await statIfThere(join(folder, held));
    return held !== undefined && stats?.isFile() ? { location: join(folder, held), size: stats.size } : undefined;
  }

  /** Ends another's hold and holds a copy of its bytes as `held`. `false` if somebody else moved the file meanwhile. */
  async function takeOver(from: string, held: string, location: string, size: number): Promise<boolean> {
    const beside = (name: string): string => names.aside(join(dirname(location), name));
    const [taken, copy, ready] = [beside('taken'), beside('copy'), beside('ready')];
    let isOnly = false;
    try {
      await rename(from, taken);
      if (!(await copyStart(taken, copy, size))) throw conflict(location);
      await rename(copy, ready);
      // Only who removes it may put something in its place.
      await unlink(taken);
      isOnly = true;
      await rename(ready, held);
      return true;
    } catch (error) {
      // Once it is all that is left of the upload, the copy stays, where the next one finds it.
      await Promise.allSettled([unlink(copy), ...(isOnly ? [] : [unlink(ready)])]);
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
    await rename(held, location).catch((error: unknown) => {
      // Somebody took it over meanwhile.
      if (!isAbsence(error)) throw error;
    });
    throw conflict(location);
  }

  async function take(location: string, size: number): Promise<string> {
    let unseen = 0;
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      const free = await takeFree(location, size);
      if (free !== undefined) return free;
      const other = await foreign(location);
      if (other === undefined) {
        // While a file changes hands, nothing may be seen for a moment; looking again tells that from absence.
        if (++unseen >= LOOKS && (await statIfThere(location)) === undefined) {
          throw new StoreError('not-found', DRIVER, location);
        }
        if (unseen > 1) await delay(PAUSE_MS);
        continue;
      }
      if (other.size !== size) throw conflict(location);
      const held = names.aside(location);
      if (await takeOver(other.location, held, location, size)) return held;
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
      for (let look = 0; look < LOOKS; look++) {
        if (look > 1) await delay(PAUSE_MS);
        const free = await statIfThere(location);
        if (free?.isFile()) return { location, size: free.size };
        const other = await foreign(location);
        if (other !== undefined) return other;
      }
      return undefined;
    },
  };
}

/** Bytes copied at a time. */
const STEP = 1024 * 1024;

/**
 * Copies the first `size` bytes. `false` if the source has fewer, as when its former holder cuts it back just now: the
 * system's own copying would wait for them for ever, or leave zeros.
 */
async function copyStart(from: string, to: string, size: number): Promise<boolean> {
  const source = await openFile(from, 'r');
  try {
    const target = await openFile(to, 'wx', 0o666);
    try {
      const buffer = Buffer.allocUnsafe(Math.min(STEP, size));
      for (let at = 0; at < size; ) {
        const part = buffer.subarray(0, Math.min(buffer.length, size - at));
        const bytes = await readFully(source, part, at);
        if (bytes < part.length) return false;
        await writeFully(target, [part], at);
        at += bytes;
      }
      return true;
    } finally {
      await closeFile(target);
    }
  } finally {
    await closeFile(source);
  }
}
