/** Descriptors in this process's memory (`storage.cache.blobdescriptor: inmemory`). */
import { LRUCache } from 'lru-cache';
import type { DescriptorCacheMetrics } from '../metrics.ts';
import type { Digest } from '../oci/digest.ts';
import { type Descriptors, revalidateAfter } from '../service/descriptors.ts';

export interface MemoryDescriptorsOptions {
  /** Entries; `Infinity` and whatever is beyond `mostEntries` count as that. */
  readonly size: number;
  readonly metrics: Pick<DescriptorCacheMetrics, 'requested' | 'hit'>;
  /** Milliseconds of a clock that never goes back. */
  readonly clock: () => number;
}

/** About 60 MB. Since an entry counts for a minute only, more would serve nobody: that is 4000 different blobs a second. */
export const mostEntries = 250_000;

export function createMemoryDescriptors({ size, metrics, clock }: MemoryDescriptorsOptions): Descriptors {
  const entries = new LRUCache<Digest, { readonly size: number; readonly at: number }>({
    max: Math.min(size, mostEntries),
  });
  return {
    async find(stored) {
      metrics.requested();
      const entry = entries.get(stored);
      if (entry === undefined || clock() - entry.at >= revalidateAfter) return undefined;
      metrics.hit();
      return entry.size;
    },
    note(_name, { stored, size: bytes }) {
      entries.set(stored, { size: bytes, at: clock() });
    },
    async clear(forgotten) {
      // Membership is not kept, so only lost bytes matter.
      for (const { name, digest } of forgotten) if (name === undefined) entries.delete(digest);
      return true;
    },
    async close() {
      entries.clear();
      return 0;
    },
  };
}
