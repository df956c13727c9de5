/**
 * Looking into many folders together. On a disk each is listed by itself. In a bucket that would cost a request for each,
 * so keys are read flat there, a page of them after the other: one page tells all about as many small folders as lie in it.
 * Folders that are larger than a page are listed by themselves, several at a time.
 */
import type { Cancellable, Entry, ListOptions, Store } from '../storage/store.ts';

export interface Folders {
  /** Everything directly in a folder, by the path below the root; `undefined`: it is large, and to be listed page by page. */
  look(path: string, next: readonly string[]): Promise<readonly Entry[] | undefined>;
}

/** Folders looked at together where each costs a request. */
const together = 16;
/** What one request lists. */
export const onePage = 1000;

export interface FoldersOptions extends Cancellable {
  readonly maxAgeMs: ListOptions['maxAgeMs'];
}

/** For one walk below `root`: what it has seen is not looked at again. */
export function createFolders(store: Store, root: string, options: FoldersOptions): Folders {
  const { walk } = store;
  return walk === undefined ? listing(store, root, options) : reading(store, walk, root, options);
}

function listing(store: Store, root: string, options: FoldersOptions): Folders {
  const asked = new Map<string, Promise<readonly Entry[] | undefined>>();
  // Where a listing costs requests, more than one is too many before it is known how much of it is wanted.
  const limit = store.walk === undefined ? {} : { limit: onePage };

  async function list(path: string): Promise<readonly Entry[] | undefined> {
    const page = await store.list(`${root}/${path}`, { ...options, ...limit });
    return page?.more === true ? undefined : (page?.entries ?? []);
  }

  function ask(path: string): Promise<readonly Entry[] | undefined> {
    const before = asked.get(path);
    if (before !== undefined) return before;
    const answer = list(path);
    // Whoever is not asked for in the end must not end the process.
    answer.catch(() => {});
    asked.set(path, answer);
    return answer;
  }

  return {
    async look(path, next) {
      if (!asked.has(path)) for (const other of next.slice(0, together - 1)) void ask(other);
      const entries = await ask(path);
      asked.delete(path);
      return entries;
    },
  };
}

/** Keys seen in one go: all between two places. */
interface Stretch {
  readonly from: string;
  /** Nothing is known behind it; `undefined`: it is the end. */
  readonly to: string | undefined;
  readonly keys: readonly string[];
}

type Walk = NonNullable<Store['walk']>;

function reading(store: Store, walk: Walk, root: string, options: FoldersOptions): Folders {
  const large = listing(store, root, options);
  const { signal } = options;
  let stretch: Stretch | undefined;
  /** Folders that are not tried again by reading: the page before was too small for a single one. */
  let listed = 0;

  async function read(path: string): Promise<Stretch> {
    const from = `${root}/${path}/`;
    const { objects, more } = await walk(root, { after: from, signal });
    const keys = objects.map((object) => object.path);
    return { from, to: more ? keys.at(-1) : undefined, keys };
  }

  return {
    async look(path, next) {
      const known = stretch && entriesIn(stretch, `${root}/${path}/`);
      if (known !== undefined) return known;
      if (listed === 0) {
        stretch = await read(path);
        const found = entriesIn(stretch, `${root}/${path}/`);
        if (found !== undefined) return found;
        listed = together;
      }
      listed--;
      return await large.look(path, next.slice(0, listed));
    },
  };
}

/** The folder's entries if the stretch covers all of it. */
function entriesIn({ from, to, keys }: Stretch, prefix: string): readonly Entry[] | undefined {
  const end = `${prefix.slice(0, -1)}0`;
  if (prefix < from || (to !== undefined && to < end)) return undefined;
  const entries = new Map<string, Entry>();
  for (let at = firstFrom(keys, prefix); at < keys.length; at++) {
    const key = keys[at] ?? '';
    if (!key.startsWith(prefix)) break;
    const slash = key.indexOf('/', prefix.length);
    const name = key.slice(prefix.length, slash === -1 ? undefined : slash);
    entries.set(name, { name, isDirectory: slash !== -1 });
  }
  return [...entries.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** Index of the first key that is not before the place. */
function firstFrom(keys: readonly string[], place: string): number {
  let low = 0;
  let high = keys.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((keys[middle] ?? '') < place) low = middle + 1;
    else high = middle;
  }
  return low;
}
