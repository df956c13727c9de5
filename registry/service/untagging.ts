/**
 * Deleting tags while other replicas push. A tag is a folder that is emptied file by file, its history may be long, and what a
 * push writes into it meanwhile would go with the rest, after the client was told 201. So whoever deletes a tag leaves a mark
 * first and only then looks where the tag points; whoever pushes writes the tag first and only then looks for marks. One of the
 * two sees the other: a deletion leaves a tag alone that has moved, a push waits until the mark is gone and writes once more.
 *
 * A mark is refreshed as long as its maker lives. One that stands still belongs to nobody any more and is taken away.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Digest } from '../oci/digest.ts';
import { fault } from '../oci/error.ts';
import type { RepositoryName, Tag } from '../oci/name.ts';
import { type Cancellable, type Store, StoreError } from '../storage/store.ts';
import * as keys from './keys.ts';
import type { Tags } from './tags.ts';

export interface Untagging {
  /** Deletes a tag, if it points to `only` or that is left out. `false` if nothing was deleted. */
  remove(name: RepositoryName, tag: Tag, only: Digest | undefined, options: Cancellable): Promise<boolean>;
  /**
   * To be called when the tags have been written: waits for those who are deleting them. `true` if there was somebody, so that
   * the tags have to be written again. Throws UNAVAILABLE if it takes too long.
   */
  met(name: RepositoryName, tags: readonly Tag[], options: Cancellable): Promise<boolean>;
}

/** Milliseconds. */
export interface UntaggingTimes {
  /** Between two signs of life of a deletion. */
  readonly refresh: number;
  /** After which a mark that has not changed is taken away; several times `refresh`. */
  readonly dead: number;
  /** Between two looks at marks. */
  readonly poll: number;
  /** How long a push waits in all. */
  readonly patience: number;
}

const untaggingTimes: UntaggingTimes = { refresh: 2_000, dead: 15_000, poll: 50, patience: 60_000 };

export interface UntaggingDependencies {
  readonly store: Store;
  readonly tags: Tags;
  /** A fresh UUID. */
  readonly newId: () => string;
  /** Milliseconds of a clock that never goes back. */
  readonly clock: () => number;
  readonly times?: UntaggingTimes;
}

/** A tag may hold dots, a UUID has none. */
const tagOf = (mark: string): string => mark.slice(0, mark.lastIndexOf('.'));

export function createUntagging(dependencies: UntaggingDependencies): Untagging {
  const { store, tags, newId, clock, times = untaggingTimes } = dependencies;
  const quick = { durable: false };

  /** Puts a mark, keeps it fresh while `work` runs, and takes it away. */
  async function marked<T>(name: RepositoryName, tag: Tag, work: () => Promise<T>): Promise<T> {
    const path = `${keys.untagging(name)}/${tag}.${newId()}`;
    const put = (): Promise<void> => store.put(path, Buffer.from(newId()), quick);
    try {
      await put();
    } catch (error) {
      // Deleting is what helps a full disk; pushes can't write there either.
      if (error instanceof StoreError && error.code === 'no-space') return work();
      throw error;
    }
    let refreshing: Promise<void> = Promise.resolve();
    const timer = setInterval(() => {
      // A mark that could not be refreshed in time is the deletion's own risk, not its failure.
      refreshing = refreshing.then(put).catch(() => undefined);
    }, times.refresh);
    try {
      return await work();
    } finally {
      clearInterval(timer);
      // Or it would come back behind its removal.
      await refreshing;
      await store.delete(path, quick).catch(() => undefined);
    }
  }

  async function marksOf(name: RepositoryName, names: readonly Tag[], { signal }: Cancellable) {
    const page = await store.list(keys.untagging(name), { signal });
    const wanted: ReadonlySet<string> = new Set(names);
    return (page?.entries ?? []).map((entry) => entry.name).filter((mark) => wanted.has(tagOf(mark)));
  }

  /** Resolves when none of the marks is left. */
  async function untilGone(
    name: RepositoryName,
    names: readonly Tag[],
    marks: readonly string[],
    options: Cancellable,
  ) {
    const seen = new Map<string, { readonly content: string; readonly since: number }>();
    const begun = clock();
    for (let left = marks; left.length > 0; left = await marksOf(name, names, options)) {
      for (const mark of left) {
        const path = `${keys.untagging(name)}/${mark}`;
        const content = (await store.read(path, options))?.toString('latin1') ?? '';
        const before = seen.get(mark);
        if (before === undefined || before.content !== content) seen.set(mark, { content, since: clock() });
        else if (clock() - before.since > times.dead) await store.delete(path, quick);
      }
      if (clock() - begun > times.patience) {
        throw fault('UNAVAILABLE', 'the tag is just being deleted; push it again');
      }
      await sleep(times.poll, undefined, options.signal === undefined ? {} : { signal: options.signal });
    }
  }

  return {
    async remove(name, tag, only, options) {
      const current = await tags.resolve(name, tag, options);
      if (only !== undefined && current !== only) return false;
      if (current === undefined && (await store.stat(keys.tag(name, tag), options)) === undefined) return false;
      // Once begun it is not broken off: half a tag would stay.
      return marked(name, tag, async () => {
        if (only !== undefined && (await tags.resolve(name, tag, {})) !== only) return false;
        return tags.remove(name, tag, {});
      });
    },
    async met(name, names, options) {
      const marks = await marksOf(name, names, options);
      if (marks.length === 0) return false;
      await untilGone(name, names, marks, options);
      return true;
    },
  };
}
