/**
 * Upload purge: deletes uploads that were begun long ago and never finished. An upload's age is what its `startedat` says,
 * as in Distribution, or our `begun` in a bucket. One without it, or with a garbled one, which Distribution keeps for ever, is as old as the newest thing
 * in its folder.
 */
import type { Logger } from '../log.ts';
import type { RepositoryName } from '../oci/name.ts';
import * as keys from '../service/keys.ts';
import { eachLimited } from '../service/parallel.ts';
import type { Cancellable, Store } from '../storage/store.ts';
import { eachOf, pages, repositories } from './walk.ts';

export interface PurgeOptions extends Cancellable {
  /** Milliseconds since the epoch: uploads begun before go. */
  readonly olderThan: number;
  /** Tells what would go, deletes nothing. */
  readonly dryRun: boolean;
}

export interface PurgeResult {
  /** Uploads looked at. */
  readonly found: number;
  readonly purged: number;
  /** Uploads that could not be looked at or deleted. */
  readonly errors: number;
}

export interface PurgeDependencies {
  readonly store: Store;
  readonly log: Logger;
  /** Told of each folder that goes, or would. */
  readonly told?: ((path: string) => void) | undefined;
}

/** Repositories worked on at once. */
const width = 8;
/** Levels below an upload's folder: `hashstates/ALG/OFFSET`, and one to spare. */
const deepest = 4;

const uuid = /^(?:[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|[0-9a-f]{32})$/i;
const rfc3339 = /^\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(?:\.\d+)?(?:[Zz]|[+-]\d\d:\d\d)$/;

/** A failure on one upload is logged and counted; one that keeps repositories from being listed is thrown. */
export async function purgeUploads(options: PurgeOptions, dependencies: PurgeDependencies): Promise<PurgeResult> {
  const { olderThan, dryRun, signal } = options;
  const { store, log, told = () => undefined } = dependencies;
  const result = { found: 0, purged: 0, errors: 0 };
  const date = new Date(olderThan).toISOString();
  log.info({}, `PurgeUploads starting: olderThan=${date}, actuallyDelete=${!dryRun}`);

  async function purge(name: RepositoryName, id: string): Promise<void> {
    const path = keys.upload(name, id);
    try {
      const begun = await beginOf(store, name, id, { signal });
      if (begun === undefined) return;
      result.found++;
      if (begun >= olderThan) return;
      const startedAt = new Date(begun).toISOString();
      log.info({ path, startedat: startedAt, dryrun: dryRun }, 'upload is older than the purge date and is removed');
      told(path);
      // Not broken off half-way: without its date it would look younger than it is.
      if (!dryRun) await store.delete(path, { durable: false, uploads: true });
      result.purged++;
    } catch (error) {
      signal?.throwIfAborted();
      result.errors++;
      log.error({ path, err: error }, 'upload could not be purged; the next purge tries again');
    }
  }

  await eachOf(repositories(store, { signal }), width, async ({ name, hasUploads }) => {
    if (!hasUploads) return;
    for await (const page of pages(store, keys.uploads(name), { signal })) {
      const ids = page.filter((entry) => entry.isDirectory && uuid.test(entry.name)).map((entry) => entry.name);
      await eachLimited(ids, (id) => purge(name, id));
    }
  });
  log.info({}, `Purge uploads finished.  Num deleted=${result.purged}, num errors=${result.errors}`);
  return result;
}

/** Milliseconds since the epoch; `undefined` if the upload ended meanwhile. */
async function beginOf(
  store: Store,
  name: RepositoryName,
  id: string,
  options: Cancellable,
): Promise<number | undefined> {
  // The second is ours, where sessions are the driver's own: Distribution must not take them for its own.
  for (const path of [keys.uploadStartedAt(name, id), keys.uploadBegun(name, id)]) {
    const written = (await store.read(path, options))?.toString('latin1').trim() ?? '';
    const date = rfc3339.test(written) ? Date.parse(written) : Number.NaN;
    if (!Number.isNaN(date)) return date;
  }
  return newestBelow(store, keys.upload(name, id), deepest, options);
}

async function newestBelow(store: Store, path: string, depth: number, options: Cancellable) {
  const folder = await store.stat(path, options);
  let newest: number | undefined;
  for await (const page of pages(store, path, options)) {
    await eachLimited(page, async (entry) => {
      const below = `${path}/${entry.name}`;
      const time = entry.isDirectory
        ? depth > 0 && (await newestBelow(store, below, depth - 1, options))
        : (await store.stat(below, options))?.modified;
      if (typeof time === 'number') newest = Math.max(newest ?? 0, time);
    });
  }
  // Files tell more than folders do: to a bucket these are nothing at all.
  return newest ?? (folder && folder.modified > 0 ? folder.modified : undefined);
}
