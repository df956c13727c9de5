/**
 * Bytes by digest. Content never changes under its digest, so what was read and verified once may be served from memory;
 * whether a repository still has it is asked of the store on every request, by others.
 */
import { LRUCache } from 'lru-cache';
import { algorithmOf, type Digest, digestBytes } from '../oci/digest.ts';
import type { Cancellable, Store } from '../storage/store.ts';
import type { OnDamage } from './damage.ts';
import { blobData } from './keys.ts';

export interface ContentLimits {
  /** Bytes kept in all. */
  readonly total: number;
  /** Bytes of the largest object that is kept. */
  readonly largest: number;
}

export interface Content {
  /** Largest size, in bytes, that `read` may be asked for by callers that want it kept. */
  readonly largest: number;
  kept(digest: Digest): Buffer | undefined;
  /**
   * The whole object, verified against its digest, or `undefined` if it is absent, longer than `limit` or damaged (which
   * is logged). Simultaneous callers share one read.
   */
  read(digest: Digest, limit: number, options: Cancellable): Promise<Buffer | undefined>;
  /** Remembers bytes that were just verified and stored. */
  keep(digest: Digest, bytes: Buffer): void;
}

/** Hears whether content that may be kept was there. */
export interface ContentObserver {
  hit(): void;
  missed(): void;
}

export function createContent(
  store: Store,
  limits: ContentLimits,
  onDamage: OnDamage,
  observer?: ContentObserver | undefined,
): Content {
  const cache = new LRUCache<Digest, Buffer>({
    maxSize: limits.total,
    maxEntrySize: limits.largest + overhead,
    sizeCalculation: (bytes) => bytes.length + overhead,
  });
  const reading = new Map<Digest, Promise<Buffer | undefined>>();

  async function load(digest: Digest, limit: number): Promise<Buffer | undefined> {
    const path = blobData(digest);
    const stream = await store.open(path);
    if (stream === undefined) {
      if ((await store.stat(path))?.isDirectory) onDamage('data', path, 'a folder lies where bytes belong');
      return undefined;
    }
    const chunks: Buffer[] = [];
    let size = 0;
    for await (const chunk of stream) {
      size += (chunk as Buffer).length;
      if (size > limit) {
        stream.destroy();
        return undefined;
      }
      chunks.push(Buffer.from(chunk as Buffer));
    }
    const bytes = Buffer.concat(chunks, size);
    if (digestBytes(algorithmOf(digest), bytes) !== digest) {
      onDamage('data', path, 'the bytes are not those of the digest');
      return undefined;
    }
    cache.set(digest, bytes);
    return bytes;
  }

  return {
    largest: limits.largest,
    // Who does not find it here either reads it, which is counted there, or has no use for a cache.
    kept(digest) {
      const bytes = cache.get(digest);
      if (bytes !== undefined) observer?.hit();
      return bytes;
    },
    async read(digest, limit, { signal }) {
      const bytes = cache.get(digest);
      if (bytes !== undefined) {
        observer?.hit();
        return bytes.length <= limit ? bytes : undefined;
      }
      observer?.missed();
      // The read is shared, so no single client's leaving may stop it: it ends by itself, being bounded by `limit`.
      let shared = reading.get(digest);
      if (shared === undefined) {
        shared = load(digest, limit).finally(() => reading.delete(digest));
        reading.set(digest, shared);
      }
      const result = await shared;
      signal?.throwIfAborted();
      return result;
    },
    keep(digest, bytes) {
      cache.set(digest, bytes);
    },
  };
}

/** Rough cost of an entry besides its bytes. */
const overhead = 256;
