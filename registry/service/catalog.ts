/**
 * The catalog: every repository that has manifests, in Distribution's order (component by component, a repository before
 * those below it). A page walks only the folders it needs. It may lag another replica's first push into a repository by a
 * second, never this process's own.
 */
import { LRUCache } from 'lru-cache';
import { parseName, type RepositoryName } from '../oci/name.ts';
import type { Cancellable, Entry, Store } from '../storage/store.ts';
import { createFolders, onePage } from './folders.ts';
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
/** Names listed at once, at least. */
const smallPage = 64;
/** The name before `_manifests` in any order of names. */
const beforeManifests = '_manifest';

export function createCatalog(store: Store, clock: () => number): Catalog {
  const pages = new LRUCache<string, { at: number; listing: Promise<Listing> }>({ max: 64 });
  const noted = new LRUCache<RepositoryName, true>({ max: 100_000 });
  let changedAt = Number.NEGATIVE_INFINITY;

  async function walk({ after, limit, signal }: CatalogRequest): Promise<Listing> {
    const maxAgeMs = Math.max(0, Math.min(maxAge, clock() - changedAt));
    const root = keys.repositoriesRoot;
    const folders = createFolders(store, root, { maxAgeMs, signal });
    const names: string[] = [];
    const isFull = (): boolean => names.length > limit;

    function take(name: string, isRepository: boolean): void {
      if (isRepository && isBehind(name, after) && parseName(name) !== undefined) names.push(name);
    }

    async function descend(children: readonly string[]): Promise<void> {
      for (const [at, child] of children.entries()) {
        if (isFull()) return;
        const entries = await folders.look(child, children.slice(at + 1));
        if (entries === undefined) await visitLarge(child);
        else {
          take(child, entries.some(isManifests));
          await descend(childrenOf(child, entries));
        }
      }
    }

    const childrenOf = (name: string, entries: readonly Entry[]): string[] =>
      entries
        .filter((entry) => entry.isDirectory && !entry.name.startsWith('_'))
        .map((entry) => (name === '' ? entry.name : `${name}/${entry.name}`))
        .filter((child) => mayHold(child, after));

    /** Page by page, from where the request goes on, as far as it needs. */
    async function visitLarge(name: string): Promise<void> {
      const path = name === '' ? root : `${root}/${name}`;
      const [own] = (await store.list(path, { after: beforeManifests, limit: 1, signal }))?.entries ?? [];
      take(name, name !== '' && own !== undefined && isManifests(own));
      // Itself first, since more may lie below it; a listing begins behind it.
      const start = startBelow(name, after);
      if (start !== undefined && parseName(start) !== undefined)
        await descend([name === '' ? start : `${name}/${start}`]);
      for (let last = start, more = true; more && !isFull(); ) {
        const wanted = Math.min(onePage, Math.max(smallPage, limit - names.length + 1));
        const page = await store.list(path, {
          limit: wanted,
          maxAgeMs,
          signal,
          ...(last !== undefined && { after: last }),
        });
        await descend(childrenOf(name, page?.entries ?? []));
        last = page?.entries.at(-1)?.name;
        more = page?.more === true && last !== undefined;
      }
    }

    await visitLarge('');
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

const isManifests = ({ name, isDirectory }: Entry): boolean => isDirectory && name === '_manifests';

/** The first name below the folder on the way to `after`. */
function startBelow(folder: string, after: string | undefined): string | undefined {
  const prefix = folder === '' ? '' : `${folder}/`;
  return after?.startsWith(prefix) === true ? after.slice(prefix.length).split('/', 1)[0] || undefined : undefined;
}

/** `/` sorts before everything else, so that a repository's own come right behind it. */
const sortable = (name: string): string => name.replaceAll('/', '\0');
const isBehind = (name: string, after: string | undefined): boolean =>
  after === undefined || sortable(name) > sortable(after);
/** Whether the folder, or anything below it, can sort behind `after`. */
const mayHold = (folder: string, after: string | undefined): boolean =>
  isBehind(folder, after) || after === folder || (after ?? '').startsWith(`${folder}/`);
