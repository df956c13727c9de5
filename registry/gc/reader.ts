/** Reads stored manifests, many small ones side by side, large ones one at a time: what JSON takes in memory is a multiple. */
import type { Digest } from '../oci/digest.ts';
import * as keys from '../service/keys.ts';
import { type Cancellable, type Store, StoreError } from '../storage/store.ts';
import { type References, referencesOf } from './references.ts';

export type ReadManifest = { readonly state: 'read'; readonly references: References } | Unread;
type Unread = { readonly state: 'absent' } | { readonly state: 'unreadable'; readonly reason: string };

/** Fails only if the store does. */
export type ManifestReader = (digest: Digest, options: Cancellable) => Promise<ReadManifest>;

/** Bytes from which a manifest counts as large. */
const large = 256 * 1024;
/** Bytes behind which it is none: four times what any registry has ever accepted. */
const limit = 16 * 1024 * 1024;

export function createManifestReader(store: Store): ManifestReader {
  let turn = Promise.resolve();

  /** The rest of a large one, once all those before are done with. */
  async function alone<T>(work: () => Promise<T>): Promise<T> {
    const before = turn;
    const { promise, resolve } = Promise.withResolvers<void>();
    turn = promise;
    try {
      await before;
      return await work();
    } finally {
      resolve();
    }
  }

  return async (digest, options) => {
    const stream = await open(store, keys.blobData(digest), options);
    if (stream === undefined) return { state: 'absent' };
    const chunks: Buffer[] = [];
    let size = 0;
    const source = stream[Symbol.asyncIterator]();
    /** Whether it goes on behind `end`. */
    const readTo = async (end: number): Promise<boolean> => {
      for (;;) {
        const next = await source.next();
        if (next.done === true) return false;
        chunks.push(Buffer.from(next.value as Buffer));
        size += (next.value as Buffer).length;
        if (size > end) return true;
      }
    };
    const parse = (): ReadManifest => {
      const references = referencesOf(digest, Buffer.concat(chunks, size));
      return 'reason' in references ? { state: 'unreadable', ...references } : { state: 'read', references };
    };
    try {
      if (!(await readTo(large))) return parse();
      return await alone(async () => {
        if (await readTo(limit)) return { state: 'unreadable', reason: `it is larger than ${limit} bytes` };
        return parse();
      });
    } finally {
      stream.destroy();
    }
  };
}

/** A folder in the place of the bytes is no content, as it is for those who serve it. */
async function open(store: Store, path: string, options: Cancellable) {
  try {
    return await store.open(path, undefined, options);
  } catch (error) {
    if (error instanceof StoreError && error.code === 'not-found') return undefined;
    throw error;
  }
}
