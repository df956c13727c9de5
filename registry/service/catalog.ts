/**
 * The catalog: every repository that has manifests, in Distribution's order (component by component, a repository before
 * those below it). A page walks only the folders it needs. It may lag another replica's first push into a repository by a
 * second, never this process's own.
 */
import { LRUCache } from 'lru-cache';
import { parseName, type RepositoryName } from '../oci/name.ts';
import type { Cancellable, Entry, Store } from '../storage/store.ts';
import * as keys from './keys.ts';
import type { Listing } from './tags.ts';

export interface CatalogRequest extends Cancellable {
  readonly after: string | undefined;
  readonly limit: number;
}

export interface Catalog {
  /** The same object comes back while nothing has to be looked at again. */
  list(request: CatalogRequest): Promise<Listing>;
  /** Tells that a manifest was pushed there. */
  note(name: RepositoryName): void;
}

/** Milliseconds; a folder's listing and the page made of them may each be so old, which adds up to the promised second. */
const maxAge = 500;
/** Folders looked at together. */
const ahead = 16;

export function createCatalog(store: Store, clock: () => number): Catalog {
  const pages = new LRUCache<string, { at: number; listing: Promise<Listing> }>({ max: 64 });
  const noted = new LRUCache<RepositoryName, true>({ max: 100_000 });
  let changedAt = Number.NEGATIVE_INFINITY;

  async function walk({ after, limit, signal }: CatalogRequest): Promise<Listing> {
    const maxAgeMs = Math.max(0, Math.min(maxAge, clock() - changedAt));
    const names: string[] = [];
    const isFull = (): boolean => names.length > limit;
    const folder = async (path: string): Promise<readonly Entry[]> =>
      (await store.list(path, { maxAgeMs, signal }))?.entries ?? [];

    async function visit(name: string, entries: readonly Entry[]): Promise<void> {
      const isRepository = entries.some((entry) => entry.isDirectory && entry.name === '_manifests');
      if (isRepository && isBehind(name, after) && parseName(name) !== undefined) names.push(name);
      const prefix = name === '' ? '' : `${name}/`;
      const below = entries
        .filter((entry) => entry.isDirectory && !entry.name.startsWith('_'))
        .map((entry) => `${prefix}${entry.name}`)
        .filter((child) => mayHold(child, after));
      for (let start = 0; start < below.length && !isFull(); start += ahead) {
        const batch = below.slice(start, start + ahead);
        const listings = await Promise.all(batch.map((child) => folder(`${keys.repositoriesRoot}/${child}`)));
        for (const [position, child] of batch.entries()) {
          if (isFull()) return;
          await visit(child, listings[position] ?? []);
        }
      }
    }

    await visit('', await folder(keys.repositoriesRoot));
    return { names: names.slice(0, limit), more: isFull() };
  }

  return {
    async list(request) {
      const key = `${request.limit} ${request.after ?? ''}`;
      const kept = pages.get(key);
      if (kept !== undefined && clock() - kept.at < maxAge) return kept.listing;
      // Shared by whoever asks meanwhile, so it must not end with one client's patience.
      const page = { at: clock(), listing: walk({ ...request, signal: undefined }) };
      pages.set(key, page);
      page.listing.catch(() => {
        if (pages.get(key) === page) pages.delete(key);
      });
      return page.listing;
    },
    note(name) {
      if (noted.has(name)) return;
      noted.set(name, true);
      changedAt = clock();
      pages.clear();
    },
  };
}

/** `/` sorts before everything else, so that a repository's own come right behind it. */
const sortable = (name: string): string => name.replaceAll('/', '\0');
const isBehind = (name: string, after: string | undefined): boolean =>
  after === undefined || sortable(name) > sortable(after);
/** Whether the folder, or anything below it, can sort behind `after`. */
const mayHold = (folder: string, after: string | undefined): boolean =>
  isBehind(folder, after) || after === folder || (after ?? '').startsWith(`${folder}/`);
