/** Deleting: an object, or everything below a folder, never a sibling whose name begins alike. */
import { DeleteObjectCommand, DeleteObjectsCommand } from '@aws-sdk/client-s3';
import type { Calls } from './s3-calls.ts';
import { isAbsent } from './s3-errors.ts';
import { DRIVER } from './s3-keys.ts';
import type { Listings } from './s3-list.ts';
import type { ReadOptions } from './s3-read.ts';
import { StoreError } from './store.ts';

export interface Deletes {
  /** These keys, 1000 a call. Those that are not there count as deleted; what the server could not delete is an error. */
  objects(keys: readonly string[], options: ReadOptions): Promise<void>;
  /**
   * The object of that key and everything below it. `false` if nothing was there. `before` hears the keys of each call
   * before they go.
   */
  tree(
    key: string,
    options: ReadOptions & { readonly before?: (keys: readonly string[]) => Promise<void> },
  ): Promise<boolean>;
}

/** The most that S3 deletes in one call. */
const MOST = 1000;

export function createDeletes(calls: Calls, listings: Listings): Deletes {
  const { client, bucket } = calls;

  async function one(key: string, options: ReadOptions): Promise<void> {
    const command = new DeleteObjectCommand({ Bucket: bucket, Key: key });
    try {
      await calls.attempt((http) => client.send(command, http), options);
    } catch (error) {
      if (!isAbsent(error))
        throw options.signal?.aborted === true ? options.signal.reason : calls.fault(options.path, error);
    }
  }

  async function batch(keys: readonly string[], options: ReadOptions): Promise<void> {
    const Delete = { Objects: keys.map((Key) => ({ Key })), Quiet: true };
    const command = new DeleteObjectsCommand({ Bucket: bucket, Delete });
    const { Errors = [] } = await calls.run((http) => client.send(command, http), options);
    const failed = Errors.filter(({ Code }) => Code !== 'NoSuchKey');
    const [first] = failed;
    if (first === undefined) return;
    const why = `${failed.length} of ${keys.length} objects were not deleted (${first.Code ?? 'no reason given'})`;
    throw new StoreError('failed', DRIVER, options.path, new Error(why));
  }

  async function objects(keys: readonly string[], options: ReadOptions): Promise<void> {
    const [first] = keys;
    if (keys.length === 1 && first !== undefined) return await one(first, options);
    for (let at = 0; at < keys.length; at += MOST) await batch(keys.slice(at, at + MOST), options);
  }

  return {
    objects,

    async tree(key, options) {
      const { before, signal } = options;
      const below = `${key}/`;
      let any = false;
      const remove = async (keys: readonly string[]): Promise<void> => {
        if (keys.length === 0) return;
        any = true;
        await before?.(keys);
        await objects(keys, options);
      };
      // The object itself comes first of all that begin with its key.
      const start = await listings.keys(key, { signal });
      const own = start.found.map((listing) => listing.key);
      await remove(own.filter((found) => found === key || found.startsWith(below)));
      // Siblings such as `key-1` come before `key/` and may have filled the page.
      let after: string | undefined;
      for (let { more } = start; more; ) {
        const page = await listings.keys(below, { after, signal });
        await remove(page.found.map((listing) => listing.key));
        // Not from the beginning: a server may go on listing for a while what it has deleted.
        after = page.found.at(-1)?.key;
        more = page.more && after !== undefined;
      }
      return any;
    },
  };
}
