/**
 * The empty layer of converted images, where it can't be written into the repository: clients fetch it like any other. Only
 * while nothing can be pushed, since a push must never be told of a layer that its manifest will then be refused for.
 */
import { Readable } from 'node:stream';
import { emptyTar, emptyTarDigest } from '../oci/schema1-convert.ts';
import type { Blob, Blobs } from './blobs.ts';

const blob: Blob = { digest: emptyTarDigest, stored: emptyTarDigest, size: emptyTar.length };

export const withEmptyTar = (blobs: Blobs, readOnly: () => boolean): Blobs => ({
  ...blobs,
  async stat(name, digest, options) {
    const found = await blobs.stat(name, digest, options);
    return found === undefined && digest === emptyTarDigest && readOnly() ? blob : found;
  },
  small: async (name, asked, options) => (asked === blob ? emptyTar : blobs.small(name, asked, options)),
  open: async (name, asked, range, options) =>
    asked === blob
      ? Readable.from([emptyTar.subarray(range.start, range.end)], { objectMode: false })
      : blobs.open(name, asked, range, options),
  redirectUrl: async (name, asked, options) => (asked === blob ? undefined : blobs.redirectUrl(name, asked, options)),
});
