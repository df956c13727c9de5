/**
 * Replacing a file only if it is still what the caller saw, among processes that share a folder and have no lock that all
 * file systems keep. A hard link is made atomically or not at all: for each version of a file there is one name, and who
 * gives it to the new content may then rename it over the old. Nobody waits, and no reader ever sees the file missing.
 */
import { createHash } from 'node:crypto';
import { link, readFile, rename, stat, unlink } from 'node:fs/promises';
import { dirname } from 'node:path';
import { closeFile, codeOf, isAbsence, statIfThere, writeFully } from './filesystem-calls.ts';
import type { Directories } from './filesystem-directories.ts';
import type { SyncCall } from './filesystem-directory-sync.ts';
import type { DurableWriter } from './filesystem-durable.ts';
import type { Names } from './filesystem-names.ts';

/** Milliseconds after which a new content that was linked and not renamed is taken for that of a process that died. */
const ABANDONED = 5_000;

export interface Swaps {
  /** As `Store.swap`. */
  swap(
    location: string,
    expected: Buffer | undefined,
    content: Buffer,
    signal: AbortSignal | undefined,
  ): Promise<boolean>;
}

export interface SwapParts {
  readonly names: Names;
  readonly writer: DurableWriter;
  readonly directories: Directories;
  readonly sync: SyncCall;
  /** Milliseconds since the epoch. */
  readonly clock: () => number;
}

interface Version {
  readonly content: Buffer;
  /** Different for every file that ever lay there. */
  readonly identity: string;
}

export function createSwaps({ names, writer, directories, sync, clock }: SwapParts): Swaps {
  async function versionOf(location: string): Promise<Version | undefined> {
    const stats = await statIfThere(location);
    if (stats?.isFile() !== true) return undefined;
    const content = await readFile(location).catch((error: unknown) => {
      if (isAbsence(error)) return undefined;
      throw error;
    });
    return content && { content, identity: `${stats.ino}.${stats.mtimeMs}.${stats.size}` };
  }

  async function write(location: string, content: Buffer): Promise<void> {
    const descriptor = await writer.create(location);
    try {
      await writeFully(descriptor, [content], 0);
      await sync(descriptor);
    } finally {
      await closeFile(descriptor);
    }
  }

  /** `false` if the name is taken. */
  async function tryLink(from: string, to: string): Promise<boolean> {
    try {
      await link(from, to);
      return true;
    } catch (error) {
      if (codeOf(error) === 'EEXIST') return false;
      throw error;
    }
  }

  async function replace(location: string, aside: string, expected: Buffer): Promise<boolean> {
    const before = await versionOf(location);
    if (before === undefined || !before.content.equals(expected)) return false;
    const next = successor(location, before);
    if (!(await tryLink(aside, next))) {
      await finishAbandoned(location, before, next);
      return false;
    }
    // Who looked long ago may have linked behind a finished swap.
    if ((await versionOf(location))?.identity !== before.identity) {
      await unlink(next).catch(() => {});
      return false;
    }
    const own = (await stat(aside)).ino;
    await rename(next, location).catch(async (error: unknown) => {
      // Another one took us for dead, and finished what we began.
      if (!isAbsence(error) || (await statIfThere(location))?.ino !== own) throw error;
    });
    return true;
  }

  /** A process that died between its two steps has won: its content is put in place, so that the next swap can go on. */
  async function finishAbandoned(location: string, before: Version, next: string): Promise<void> {
    const stats = await statIfThere(next);
    if (stats === undefined || clock() - stats.ctimeMs < ABANDONED) return;
    if ((await versionOf(location))?.identity !== before.identity) return;
    await rename(next, location).catch((error: unknown) => {
      if (!isAbsence(error)) throw error;
    });
  }

  function successor(location: string, { identity, content }: Version): string {
    const hex = createHash('sha256').update(`${identity} `).update(content).digest('hex');
    const uuid = [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20, 32)];
    return names.named(location, uuid.join('-'));
  }

  return {
    async swap(location, expected, content, signal) {
      const aside = names.aside(location);
      await write(aside, content);
      try {
        signal?.throwIfAborted();
        const done = expected === undefined ? await tryLink(aside, location) : await replace(location, aside, expected);
        if (done) await directories.syncRemoval(dirname(location));
        return done;
      } finally {
        await unlink(aside).catch(() => {});
      }
    },
  };
}
