/**
 * Directory pages out of a bucket's listing. A bucket sorts whole keys, in which a directory's name is followed by a slash,
 * while a page is sorted by names: `a-b` and `a.b` come before `a/` there and behind `a` here. So a directory whose name is
 * the beginning of the last one that was read, up to a `-` or a `.`, may still come; those few are looked up one by one.
 */
import { isComponent } from './paths.ts';
import type { Entry, ListOptions, Page } from './store.ts';

/** Part of a listing that is folded at the first slash behind the prefix, in the order of keys. */
export interface Fold {
  /** Names behind the prefix; those of directories without their slash. */
  readonly entries: readonly Entry[];
  /** How to go on; `undefined` at the end. */
  readonly next: string | undefined;
}

export interface FoldRequest {
  readonly prefix: string;
  /** Only keys (and folded keys, with their slash) from this one on. */
  readonly from: string | undefined;
  /** At most so many; a backend may give fewer. */
  readonly limit: number | undefined;
  /** The `next` of the part before; `from` is then the same as there. */
  readonly token: string | undefined;
  readonly signal: AbortSignal | undefined;
}

export type FoldCall = (request: FoldRequest) => Promise<Fold>;

/** What may follow a directory's name and sort before its slash. */
const BEFORE_SLASH = /[-.]/g;

/** The page of the directory whose keys begin with `prefix`; `undefined` if there are none at all. */
export async function listFolded(
  fold: FoldCall,
  prefix: string,
  options: ListOptions | undefined,
): Promise<Page | undefined> {
  const { after, limit, signal } = options ?? {};
  const found = new Map<string, Entry>();
  let seen = false;
  let last: string | undefined;
  let token: string | undefined;
  // Some more than asked: what tells that there is more, `after` itself, and the folder's own placeholder.
  const want = limit === undefined ? undefined : limit + 3;
  const from = after === undefined || after === '' ? undefined : prefix + after;
  do {
    const part = await fold({ prefix, from, limit: want, token, signal });
    for (const entry of part.entries) {
      seen = true;
      last = entry.name;
      add(found, entry, after);
    }
    token = part.next;
  } while (token !== undefined && (limit === undefined || found.size <= limit));
  if (!seen && !(await isThere(fold, prefix, from, signal))) return undefined;
  if (token !== undefined && last !== undefined) {
    for (const entry of await lateDirectories(fold, prefix, last, found, { after, signal })) add(found, entry, after);
  }
  const sorted = [...found.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
  const entries = limit === undefined ? sorted : sorted.slice(0, limit);
  return { entries, more: token !== undefined || entries.length < sorted.length, version: undefined };
}

function add(found: Map<string, Entry>, entry: Entry, after: string | undefined): void {
  if (!isComponent(entry.name) || (after !== undefined && entry.name <= after)) return;
  // An object may lie in a directory's place; whoever lists looks for what is below.
  if (entry.isDirectory || !found.has(entry.name)) found.set(entry.name, entry);
}

/** With `from`, nothing found behind it says nothing about what lies before. */
async function isThere(
  fold: FoldCall,
  prefix: string,
  from: string | undefined,
  signal: AbortSignal | undefined,
): Promise<boolean> {
  if (from === undefined) return false;
  return (await fold({ prefix, from: undefined, limit: 1, token: undefined, signal })).entries.length > 0;
}

interface LateOptions {
  readonly after: string | undefined;
  readonly signal: AbortSignal | undefined;
}

async function lateDirectories(
  fold: FoldCall,
  prefix: string,
  last: string,
  found: ReadonlyMap<string, Entry>,
  { after, signal }: LateOptions,
): Promise<readonly Entry[]> {
  const names = [...last.matchAll(BEFORE_SLASH)]
    .map(({ index }) => last.slice(0, index))
    .filter((name) => isComponent(name) && !(after !== undefined && name <= after) && !found.get(name)?.isDirectory);
  const looks = names.map(async (name): Promise<Entry | undefined> => {
    const below = await fold({ prefix: `${prefix}${name}/`, from: undefined, limit: 1, token: undefined, signal });
    return below.entries.length > 0 ? { name, isDirectory: true } : undefined;
  });
  return (await Promise.all(looks)).filter((entry) => entry !== undefined);
}
