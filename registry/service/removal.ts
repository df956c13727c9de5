/** Deleting manifests and tags (distribution specification, "Deleting tags", "Deleting manifests"). Bytes stay for garbage collection. */
import type { Digest } from '../oci/digest.ts';
import type { RepositoryName, Tag } from '../oci/name.ts';
import type { Cancellable, Store } from '../storage/store.ts';
import type { Descriptors } from './descriptors.ts';
import * as keys from './keys.ts';
import type { Links } from './links.ts';
import { eachLimited } from './parallel.ts';
import type { Tags } from './tags.ts';
import type { Untagging } from './untagging.ts';

export interface Removal {
  /** With every tag on it. `false` if it was not there. */
  digest(name: RepositoryName, digest: Digest, options: Cancellable): Promise<boolean>;
  /** Alone. `false` if it was not there. */
  tag(name: RepositoryName, tag: Tag, options: Cancellable): Promise<boolean>;
}

export interface RemovalDependencies {
  readonly store: Store;
  readonly links: Links;
  readonly descriptors: Descriptors;
  readonly tags: Tags;
  readonly untagging: Untagging;
}

export function createRemoval({ store, links, descriptors, tags, untagging }: RemovalDependencies): Removal {
  async function removeTags(name: RepositoryName, digest: Digest, options: Cancellable): Promise<void> {
    await eachLimited(await tags.pointingTo(name, digest, options), async (tag) => {
      await untagging.remove(name, tag, digest, options);
    });
  }

  return {
    async digest(name, digest, options) {
      if ((await links.resolve(keys.revisionLink(name, digest), options)) !== digest) return false;
      await removeTags(name, digest, options);
      // Distribution beside us believes what a shared cache says of manifests too.
      await descriptors.clear([{ name, digest }]);
      const removed = await store
        .delete(keys.revision(name, digest), options)
        .finally(() => descriptors.clear([{ name, digest }]));
      // A push elsewhere may have set a tag on it since.
      await removeTags(name, digest, options);
      return removed;
    },
    tag: (name, tag, options) => untagging.remove(name, tag, undefined, options),
  };
}
