/** What lies where in a tree, page by page: no listing is held whole that could be as large as the registry. */
import { type Digest, isAlgorithm, parseDigest } from '../oci/digest.ts';
import type { RepositoryName } from '../oci/name.ts';
import * as keys from '../service/keys.ts';
import { eachLimited } from '../service/parallel.ts';
import type { Cancellable, Entry, Store } from '../storage/store.ts';

/** Names asked for at once. A page costs a few megabytes; a small one would have large folders read anew too often. */
const pageSize = 50_000;
/** Folders looked at ahead of the walk. */
const ahead = 16;

/** A repository, or what is left of one. Its name need not follow the grammar: foreign folders are looked at as well. */
export interface FoundRepository {
  readonly name: RepositoryName;
  readonly hasManifests: boolean;
  readonly hasLayers: boolean;
  readonly hasUploads: boolean;
  /** Our index. */
  readonly hasReferrers: boolean;
}

/** Direct children, a page at a time; nothing if there is no such folder. */
export async function* pages(store: Store, path: string, { signal }: Cancellable): AsyncGenerator<readonly Entry[]> {
  let after: string | undefined;
  for (;;) {
    const page = await store.list(path, { after, limit: pageSize, signal });
    if (page === undefined || page.entries.length === 0) return;
    yield page.entries;
    if (!page.more) return;
    after = page.entries.at(-1)?.name;
  }
}

async function foldersOf(store: Store, path: string, options: Cancellable): Promise<string[]> {
  const names: string[] = [];
  for await (const page of pages(store, path, options)) {
    for (const { name, isDirectory } of page) if (isDirectory) names.push(name);
  }
  return names;
}

/** Every repository, a parent before those below it. */
export async function* repositories(store: Store, options: Cancellable): AsyncGenerator<FoundRepository> {
  async function* visit(name: string, folders: readonly string[]): AsyncGenerator<FoundRepository> {
    const own = new Set(folders.filter((folder) => folder.startsWith('_')));
    if (name !== '' && own.size > 0) {
      yield {
        name: name as RepositoryName,
        hasManifests: own.has('_manifests'),
        hasLayers: own.has('_layers'),
        hasUploads: own.has('_uploads'),
        hasReferrers: own.has('_referrers'),
      };
    }
    const below = folders
      .filter((folder) => !folder.startsWith('_'))
      .map((folder) => (name === '' ? folder : `${name}/${folder}`));
    for (let start = 0; start < below.length; start += ahead) {
      const batch = below.slice(start, start + ahead);
      const listings = await Promise.all(
        batch.map((child) => foldersOf(store, keys.repository(child as RepositoryName), options)),
      );
      for (const [position, child] of batch.entries()) yield* visit(child, listings[position] ?? []);
    }
  }
  yield* visit('', await foldersOf(store, keys.repositoriesRoot, options));
}

/** The algorithms that have a folder in `path`: those that Berth computes, and what else is called like none of them. */
export async function algorithmsIn(store: Store, path: string, options: Cancellable) {
  const folders = await foldersOf(store, path, options);
  return {
    known: folders.filter(isAlgorithm),
    unknown: folders.filter((folder) => !isAlgorithm(folder)),
  };
}

/** Folders called like a digest below `path/ALG`; whatever else lies there is passed over. */
export async function* digestsIn(
  store: Store,
  path: string,
  algorithm: string,
  options: Cancellable,
): AsyncGenerator<readonly Digest[]> {
  for await (const page of pages(store, `${path}/${algorithm}`, options)) {
    yield page
      .filter(({ isDirectory }) => isDirectory)
      .map(({ name }) => parseDigest(`${algorithm}:${name}`))
      .filter((digest) => digest !== undefined);
  }
}

/** Runs `work` on each, `width` at a time, without asking for more than are being worked on. The first failure is thrown. */
export async function eachOf<T>(
  items: AsyncGenerator<T>,
  width: number,
  work: (item: T) => Promise<void>,
): Promise<void> {
  let failed = false;
  const worker = async (): Promise<void> => {
    while (!failed) {
      const next = await items.next();
      if (next.done === true) return;
      await work(next.value);
    }
  };
  try {
    await eachLimited(
      Array.from({ length: width }, () => worker),
      (run) =>
        run().catch((error: unknown) => {
          failed = true;
          throw error;
        }),
    );
  } finally {
    await items.return(undefined);
  }
}
