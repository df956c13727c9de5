/** Folders for thousands of small files, of which none need survive the machine: in memory where there is a file system for it. */
import { accessSync, constants, statfsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Cleanup } from './registry-process.ts';

const memory = '/dev/shm';

function hasRoom(bytes: number): boolean {
  try {
    accessSync(memory, constants.W_OK);
    const { bavail, bsize } = statfsSync(memory);
    return bavail * bsize > bytes;
  } catch {
    return false;
  }
}

/** Removed when the test ends. `bytes`: how much room it needs. */
export async function fastFolder(t: Cleanup, bytes = 256 * 1024 * 1024): Promise<string> {
  const folder = await mkdtemp(join(hasRoom(2 * bytes) ? memory : tmpdir(), 'berth-test-'));
  t.after(() => rm(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 }));
  return folder;
}
