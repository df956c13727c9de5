/** Folders and stores for tests of the filesystem driver. */
import assert from 'node:assert/strict';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { type Logger, silent } from '../../registry/log.ts';
import { createFilesystemStore } from '../../registry/storage/filesystem.ts';
import type { Store } from '../../registry/storage/store.ts';

/** A folder that goes with the test. */
export async function temporaryFolder(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'berth-store-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

/** A driver on the folder; several of them are like several processes. */
export function storeAt(t: TestContext, rootdirectory: string, log: Logger = silent): Store {
  const store = createFilesystemStore({ rootdirectory, maxthreads: 100, log });
  t.after(() => store.close());
  return store;
}

/** All temporary files below the folder. */
export async function temporaryFiles(folder: string): Promise<string[]> {
  return (await readdir(folder, { recursive: true })).filter((name) => name.endsWith('.tmp'));
}

export async function assertNoTemporaryFiles(folder: string): Promise<void> {
  assert.deepEqual(await temporaryFiles(folder), []);
}
