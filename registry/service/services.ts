/** Wires the services of one store. What `http` is handed, and what a pull-through cache will stand in for later. */
import type { Logger } from '../log.ts';
import type { Store } from '../storage/store.ts';
import { type Blobs, createBlobs } from './blobs.ts';
import { type Catalog, createCatalog } from './catalog.ts';
import { type ContentLimits, createContent } from './content.ts';
import { type Descriptors, noDescriptors } from './descriptors.ts';
import { createLinks } from './links.ts';
import { createLocks } from './locks.ts';
import { type BlobLookup, createBlobLookup } from './lookup.ts';
import { createManifests, type Manifests } from './manifests.ts';
import { createPlaces } from './places.ts';
import { createReferences, type ReferencesPolicy } from './references.ts';
import { createReferrers, type Referrers } from './referrers.ts';
import { createTags, type Tags } from './tags.ts';
import { createUploads, type Uploads } from './uploads.ts';

export type { Cancellable, ObjectStream } from '../storage/store.ts';

export interface Services {
  readonly blobs: Blobs;
  readonly uploads: Uploads;
  readonly manifests: Manifests;
  readonly tags: Tags;
  readonly catalog: Catalog;
  readonly referrers: Referrers;
}

export interface ServicesDependencies {
  readonly store: Store;
  readonly log: Logger;
  readonly policy: ReferencesPolicy;
  readonly contentLimits: ContentLimits;
  /** Default: nothing is remembered. */
  readonly descriptors?: Descriptors | undefined;
  /** Whether clients are sent to the store for blobs, where it has URLs. Default `false`. */
  readonly redirects?: boolean | undefined;
  /** Stands around every question whether a repository has a blob, those of pushes too. */
  readonly blobAccess?: ((lookup: BlobLookup) => BlobLookup) | undefined;
  /** A fresh UUID. */
  readonly newId: () => string;
  readonly now: () => Date;
  /** Milliseconds of a clock that never goes back. */
  readonly clock: () => number;
}

export function createServices(dependencies: ServicesDependencies): Services {
  const { store, log, policy, contentLimits, newId, now, clock } = dependencies;
  const { descriptors = noDescriptors, redirects = false, blobAccess = (lookup) => lookup } = dependencies;
  const links = createLinks(store, log);
  const locks = createLocks();
  const places = createPlaces(store, log);
  const content = createContent(store, contentLimits, log);
  const catalog = createCatalog(store, clock);
  const tags = createTags(store, links);
  const lookup = blobAccess(createBlobLookup({ store, links, descriptors }));
  const blobs = createBlobs({ store, lookup, descriptors, content, places, redirects });
  const references = createReferences({ store, links, lookup, policy });
  const referrers = createReferrers({ store, links, content });
  const manifests = createManifests({
    store,
    links,
    content,
    descriptors,
    locks,
    tags,
    references,
    referrers,
    catalog,
    log,
  });
  const uploads = createUploads({ store, places, descriptors, newId, now });
  return { blobs, uploads, manifests, tags, catalog, referrers };
}
