/**
 * Which of a repository's tags are whole: a folder without a `current` link is a push under way, or a torn one. A link that is
 * empty is torn as well.
 */
import type { RepositoryName, Tag } from '../oci/name.ts';
import type { Cancellable, Store } from '../storage/store.ts';
import * as keys from './keys.ts';
import type { Links } from './links.ts';
import { eachLimited } from './parallel.ts';

/** Keys of one tag: its link, and a history of one. Pages for so many are asked for. */
const KEYS = 2;
/**
 * A listing costs about as much as so many times fewer reads as it has keys: where histories are longer than this, reading
 * each tag's link is cheaper, and so it is for a handful of tags.
 */
const DEAR = 32;
const FEW = 4;

/** Of `tags`, those that are whole. On an object store they are found in listings as long as that is cheaper than a look at each. */
export async function wholeTags(
  store: Store,
  links: Links,
  name: RepositoryName,
  tags: readonly Tag[],
  options: Cancellable,
): Promise<Set<Tag>> {
  const found = new Set<Tag>();
  const rest = store.walk === undefined ? tags : await listed(store.walk, name, tags, found, options);
  await eachLimited(rest, async (tag) => {
    if ((await links.resolve(keys.tagCurrent(name, tag), options)) !== undefined) found.add(tag);
  });
  return found;
}

/** Fills `found` from listings; resolves with the tags about which these do not tell. */
async function listed(
  walk: NonNullable<Store['walk']>,
  name: RepositoryName,
  tags: readonly Tag[],
  found: Set<Tag>,
  options: Cancellable,
): Promise<readonly Tag[]> {
  const byLink = new Map(tags.map((tag) => [keys.tagCurrent(name, tag), tag]));
  // In the order of the keys: `a-b/` comes before `a/`.
  const paths = [...byLink.keys()].sort();
  let at = 0;
  while (paths.length - at > FEW) {
    const next = paths[at] ?? '';
    // Behind all that comes before the link, histories of the tags before it included.
    const after = next.slice(0, next.lastIndexOf('/') + 1);
    const limit = Math.min(1000, KEYS * (paths.length - at));
    const { objects, more } = await walk(keys.tags(name), { ...options, after, limit });
    for (const { path, size } of objects) {
      const tag = size > 0 ? byLink.get(path) : undefined;
      if (tag !== undefined) found.add(tag);
    }
    const last = objects.at(-1)?.path;
    const before = at;
    while (at < paths.length && (!more || (last !== undefined && (paths[at] ?? '') <= last))) at++;
    if ((at - before) * DEAR < objects.length) break;
  }
  return paths.slice(at).map((path) => byLink.get(path) as Tag);
}
