/** Everything that both registries are asked. */
import { addresses, base, methodsArea, paths } from './areas/base.ts';
import { blobs } from './areas/blobs.ts';
import { catalog, tags } from './areas/listings.ts';
import { manifestsDelete, manifestsPush, manifestsRead } from './areas/manifests.ts';
import { mountsArea, uploadStates, uploads } from './areas/uploads.ts';
import type { Area } from './exchange.ts';

/** Listings come first: what is pushed later does not stand in them. */
export const areas: readonly Area[] = [
  ...[catalog, tags, base, paths, methodsArea, addresses, manifestsRead, blobs],
  ...[uploads, uploadStates, mountsArea, manifestsPush, manifestsDelete],
];
