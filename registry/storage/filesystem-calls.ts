/**
 * The system calls that the filesystem driver makes, as promises. `node:fs/promises` would do, but its file handles cost
 * about twice the CPU of a descriptor, and these calls are the registry's hot path.
 */
import fs from 'node:fs';
import { promisify } from 'node:util';

export const openFile: (path: string, flags: string | number, mode?: number) => Promise<number> = promisify(fs.open);
export const closeFile: (descriptor: number) => Promise<void> = promisify(fs.close);
export const syncFile: (descriptor: number) => Promise<void> = promisify(fs.fsync);
export const truncateFile: (descriptor: number, size: number) => Promise<void> = promisify(fs.ftruncate);
export const statDescriptor: (descriptor: number) => Promise<fs.Stats> = promisify(fs.fstat);
export const statPath: (path: string) => Promise<fs.Stats> = promisify(fs.stat);

/** Fills `buffer` from `position` on; resolves with how many bytes there were, fewer only at the end of the file. */
export async function readFully(descriptor: number, buffer: Buffer, position: number): Promise<number> {
  let filled = 0;
  while (filled < buffer.length) {
    const bytes = await readOnce(descriptor, buffer, filled, position + filled);
    if (bytes === 0) break;
    filled += bytes;
  }
  return filled;
}

function readOnce(descriptor: number, buffer: Buffer, offset: number, position: number): Promise<number> {
  return new Promise((resolve, reject) => {
    fs.read(descriptor, buffer, offset, buffer.length - offset, position, (error, bytes) => {
      if (error === null) resolve(bytes);
      else reject(error);
    });
  });
}

/** Writes all of the buffers at `position`, however often the system takes only a part. */
export async function writeFully(descriptor: number, buffers: readonly Uint8Array[], position: number): Promise<void> {
  let rest = buffers;
  let at = position;
  while (rest.length > 0) {
    let written = await writeOnce(descriptor, rest, at);
    at += written;
    let whole = 0;
    for (const buffer of rest) {
      if (written < buffer.length) break;
      written -= buffer.length;
      whole++;
    }
    const [torn, ...others] = rest.slice(whole);
    rest = torn === undefined ? [] : [torn.subarray(written), ...others];
  }
}

function writeOnce(descriptor: number, buffers: readonly Uint8Array[], position: number): Promise<number> {
  return new Promise((resolve, reject) => {
    fs.writev(descriptor, buffers as Uint8Array[], position, (error, written) => {
      if (error === null) resolve(written);
      else reject(error);
    });
  });
}

/** The path's stat, through symbolic links; `undefined` if nothing can be there. */
export async function statIfThere(path: string): Promise<fs.Stats | undefined> {
  try {
    return await statPath(path);
  } catch (error) {
    if (isAbsence(error)) return undefined;
    throw error;
  }
}

/** The system's name of a fault, `ENOENT` and the like. */
export function codeOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined;
}

/** Whether the fault says that nothing can be at that path: also below a file, in a ring of links, or under a name too long. */
export function isAbsence(error: unknown): boolean {
  const code = codeOf(error);
  return code === 'ENOENT' || code === 'ENOTDIR' || code === 'ENAMETOOLONG' || code === 'ELOOP';
}
