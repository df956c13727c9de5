/**
 * What is remembered of blobs so that their bytes need not be looked at in the store on every read. It only saves asking:
 *
 * - Membership is never answered from here: the link is read from the store on each request, so a DELETE is a 404 at once.
 * - A push is never answered from here either: what a 201 builds on is looked at in the store, link and data.
 * - An entry counts for `revalidateAfter` since the store last confirmed the bytes. So a garbage collection by another
 *   program, which removes bytes behind links that stay, is noticed within that time even if nothing is ever cleared.
 */
import type { Digest } from '../oci/digest.ts';
import type { RepositoryName } from '../oci/name.ts';
import type { Cancellable } from '../storage/store.ts';
import type { Blob } from './blobs.ts';

/** Milliseconds for which a look at the store counts. */
export const revalidateAfter = 60_000;

/** What to forget: a repository's membership, or, without `name`, the bytes for all of them. */
export interface Forgotten {
  readonly name?: RepositoryName | undefined;
  readonly digest: Digest;
}

/** Nothing here ever rejects, and nothing waits for a cache that does not answer. */
export interface Descriptors {
  /** Size in bytes of the content under the digest that names it in the store, if that was confirmed lately. */
  find(stored: Digest, options: Cancellable): Promise<number | undefined>;
  /** Tells that link and bytes were just seen in the store, or just written. Returns at once. */
  note(name: RepositoryName, blob: Blob): void;
  /**
   * Has to be called before and after links or bytes are removed. `false`: not every cache could be told now; it is tried
   * again as long as the process lives.
   */
  clear(forgotten: readonly Forgotten[]): Promise<boolean>;
  /**
   * Tells what is still to be told and releases connections. `wait`: milliseconds that a connection may still take to come up,
   * if something is to be told; default 0. Resolves with how many could not be told of.
   */
  close(options?: { readonly wait?: number }): Promise<number>;
}

/** Remembers nothing: each read asks the store. */
export const noDescriptors: Descriptors = {
  find: async () => undefined,
  note() {},
  clear: async () => true,
  close: async () => 0,
};
