/** Tags: names in a repository that point to a manifest. */
import { LRUCache } from 'lru-cache';
import type { Digest } from '../oci/digest.ts';
import { parseTag, type RepositoryName, type Tag } from '../oci/name.ts';
import type { Cancellable, Entry, Page, Put, Store } from '../storage/store.ts';
import * as keys from './keys.ts';
import { type Links, link } from './links.ts';
import { eachLimited } from './parallel.ts';
import { wholeTags } from './whole-tags.ts';

export interface Listing {
  readonly names: readonly string[];
  /** Whether names follow. */
  readonly more: boolean;
}

export interface ListingRequest extends Cancellable {
  /** Only names behind this one, which need not exist. */
  readonly after: string | undefined;
  /** At most so many; at least 1. */
  readonly limit: number | undefined;
}

export interface Tags {
  resolve(name: RepositoryName, tag: Tag, options: Cancellable): Promise<Digest | undefined>;
  /**
   * Sorted by bytes. `undefined`: the repository has no tags folder. The very same object comes back while nothing has
   * changed, so that callers can keep what they made of it.
   */
  list(name: RepositoryName, request: ListingRequest): Promise<Listing | undefined>;
  /** History of the tags, to be written before `current`. */
  history(name: RepositoryName, tags: readonly Tag[], digest: Digest): readonly Put[];
  /** The last writes of a push: from here on the tags are seen. */
  current(name: RepositoryName, tags: readonly Tag[], digest: Digest): readonly Put[];
  /** Which of a repository's tags point to the digest now. */
  pointingTo(name: RepositoryName, digest: Digest, options: Cancellable): Promise<readonly Tag[]>;
  remove(name: RepositoryName, tag: Tag, options: Cancellable): Promise<boolean>;
}

/** Names remembered over all repositories. */
const maxRemembered = 500_000;

/** `lookups`: how many tags are looked at together when a manifest's are searched for (`storage.tag.concurrencylimit`). */
export function createTags(store: Store, links: Links, lookups: number): Tags {
  /** Tags seen whole: a folder without a `current` link is a push under way, or torn, and is not listed. */
  const whole = new LRUCache<string, Set<string>>({ maxSize: maxRemembered, sizeCalculation: (set) => set.size + 1 });
  const listings = new LRUCache<string, { version: string; listing: Listing }>({
    maxSize: maxRemembered,
    sizeCalculation: ({ listing }) => listing.names.length + 1,
  });

  const resolve = (name: RepositoryName, tag: Tag, options: Cancellable) =>
    links.resolve(keys.tagCurrent(name, tag), options);

  /** The page's names, torn ones left out; `complete` tells whether that left out none. */
  async function wholeNames(name: RepositoryName, page: Page, options: Cancellable) {
    const seen = whole.get(name) ?? new Set<string>();
    const tags = page.entries
      .filter((entry) => entry.isDirectory)
      .map((entry) => parseTag(entry.name))
      .filter((tag) => tag !== undefined);
    const unseen = tags.filter((tag) => !seen.has(tag));
    const found = await wholeTags(store, links, name, unseen, options);
    for (const tag of found) seen.add(tag);
    const complete = found.size === unseen.length;
    // Anew, so that its grown size is counted.
    whole.delete(name);
    whole.set(name, seen);
    return { names: complete ? tags : tags.filter((tag) => seen.has(tag)), complete };
  }

  async function list(name: RepositoryName, request: ListingRequest): Promise<Listing | undefined> {
    const { after, limit, signal } = request;
    const page = await store.list(keys.tags(name), { after, limit, signal });
    if (page === undefined) return undefined;
    const key = `${name} ${after ?? ''} ${limit ?? ''}`;
    const kept = listings.get(key);
    if (kept !== undefined && kept.version === page.version) return kept.listing;
    const { names, complete } = await wholeNames(name, page, { signal });
    if (!complete && page.more && limit !== undefined && names.length < limit) {
      const rest = await list(name, { after: page.entries.at(-1)?.name, limit: limit - names.length, signal });
      return { names: [...names, ...(rest?.names ?? [])], more: rest?.more ?? false };
    }
    const listing = { names, more: page.more };
    // A client's own invention as `last` would fill the memory with keys.
    const isOurs = after === undefined || parseTag(after) !== undefined;
    if (complete && isOurs && page.version !== undefined) listings.set(key, { version: page.version, listing });
    return listing;
  }

  return {
    resolve,
    list,
    history: (name, tags, digest) => tags.map((tag) => link(keys.tagIndex(name, tag, digest), digest)),
    current: (name, tags, digest) => tags.map((tag) => ({ ...link(keys.tagCurrent(name, tag), digest), last: true })),
    async pointingTo(name, digest, options) {
      const page = await store.list(keys.tags(name), options);
      const found: Tag[] = [];
      const search = async (entry: Entry): Promise<void> => {
        const tag = parseTag(entry.name);
        if (tag !== undefined && (await resolve(name, tag, options)) === digest) found.push(tag);
      };
      await eachLimited(page?.entries ?? [], search, lookups);
      return found;
    },
    async remove(name, tag, options) {
      whole.get(name)?.delete(tag);
      return store.delete(keys.tag(name, tag), options);
    },
  };
}
