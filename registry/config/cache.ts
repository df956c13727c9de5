/** `storage.cache`: whether descriptors of blobs are remembered, and where. */
import { below, refine, type Spec, warn } from './check.ts';
import { section } from './section.ts';
import type { CacheConfig } from './types.ts';
import { int, oneOf } from './values.ts';

const asWritten = section(
  {
    blobdescriptor: oneOf(['', 'inmemory', 'redis'], {
      default: '',
      unknown: 'warning',
      doc: 'Where descriptors of blobs are remembered: in this process, or in the Redis of `redis`. Unset: nowhere.',
    }),
    blobdescriptorsize: int({
      default: 10_000,
      doc: 'How many, for `inmemory`; 0 or less: without a limit.',
    }),
  },
  { doc: 'The descriptor cache.', untyped: true, older: { layerinfo: 'blobdescriptor' } },
);

export const cache: Spec<CacheConfig> = refine(asWritten, ({ blobdescriptor, blobdescriptorsize }, place) => {
  const size = below(place, 'blobdescriptorsize');
  if (blobdescriptor === 'redis' && size.tree !== undefined) {
    warn(size, 'has no effect with redis', "take it out, and set maxmemory in Redis's own configuration");
  }
  return {
    blobdescriptor: blobdescriptor === '' ? undefined : blobdescriptor,
    blobdescriptorsize: blobdescriptorsize <= 0 ? Number.POSITIVE_INFINITY : blobdescriptorsize,
  };
});
