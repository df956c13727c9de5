/** Wires the services of one store. What `http` is handed, and what a pull-through cache will stand in for later. */
import type { Logger } from '../log.ts';
import type { Store } from '../storage/store.ts';
import { type Blobs, createBlobs } from './blobs.ts';
import { type Catalog, createCatalog } from './catalog.ts';
import { type Collections, noCollections } from './collections.ts';
import { type ContentLimits, type ContentObserver, createContent } from './content.ts';
import { type Convert, createConversion } from './conversion.ts';
import { createOnDamage, type DamageKind } from './damage.ts';
import { type Descriptors, noDescriptors } from './descriptors.ts';
import { createLinks } from './links.ts';
import { createLocks } from './locks.ts';
import { type BlobLookup, createBlobLookup } from './lookup.ts';
import { createManifests, type Manifests } from './manifests.ts';
import { createPlaces } from './places.ts';
import { createReferences, type ReferencesPolicy } from './references.ts';
import { createReferrers, type Referrers } from './referrers.ts';
import { createRevisionScan, type ScanTimes } from './referrers-scan.ts';
import { createRemoval } from './removal.ts';
import { createSchema1, type Schema1Options } from './schema1.ts';
import { withEmptyTar } from './schema1-blobs.ts';
import { createTags, type Tags } from './tags.ts';
import { createUntagging } from './untagging.ts';
import { createUploads, type Uploads } from './uploads.ts';

export type { Cancellable, ObjectStream } from '../storage/store.ts';

export interface Services {
  readonly blobs: Blobs;
  readonly uploads: Uploads;
  readonly manifests: Manifests;
  readonly convert: Convert;
  readonly tags: Tags;
  readonly catalog: Catalog;
  readonly referrers: Referrers;
}

export interface ServicesDependencies {
  readonly store: Store;
  readonly log: Logger;
  readonly policy: ReferencesPolicy;
  readonly schema1: Schema1Options;
  /** Classes of manifests that may be pushed; none: all. */
  readonly classes: readonly string[];
  /** Tags looked at together when a manifest is deleted. */
  readonly tagLookups: number;
  readonly contentLimits: ContentLimits;
  readonly contentObserver?: ContentObserver | undefined;
  /** Default: nothing is remembered. */
  readonly descriptors?: Descriptors | undefined;
  /** Whether garbage is collected beside us. Default: never. */
  readonly collections?: Collections | undefined;
  /** Whether clients are sent to the store for blobs, where it has URLs. Default `false`. */
  readonly redirects?: boolean | undefined;
  /** Stands around every question whether a repository has a blob, those of pushes too. */
  readonly blobAccess?: ((lookup: BlobLookup) => BlobLookup) | undefined;
  /** Whether nothing may be written just now. Default: never. */
  readonly readOnly?: (() => boolean) | undefined;
  /** Counts what was found damaged in the tree. */
  readonly damaged?: ((kind: DamageKind) => void) | undefined;
  /** How long a request waits for the search for referrers that others pushed. */
  readonly scanTimes?: ScanTimes | undefined;
  /** A fresh UUID. */
  readonly newId: () => string;
  readonly now: () => Date;
  /** Milliseconds of a clock that never goes back. */
  readonly clock: () => number;
}

export function createServices(dependencies: ServicesDependencies): Services {
  const { store, log, policy, contentLimits, newId, now, clock, classes } = dependencies;
  const { readOnly = () => false, damaged = () => undefined, collections = noCollections } = dependencies;
  const { descriptors = noDescriptors, redirects = false, blobAccess = (lookup) => lookup } = dependencies;
  const onDamage = createOnDamage(log, damaged);
  const links = createLinks(store, onDamage);
  const locks = createLocks();
  const places = createPlaces(store, log);
  const content = createContent(store, contentLimits, onDamage, dependencies.contentObserver);
  const catalog = createCatalog(store, clock);
  const tags = createTags(store, links, dependencies.tagLookups);
  const lookup = blobAccess(createBlobLookup({ store, links, descriptors, onDamage }));
  const stored = createBlobs({ store, lookup, descriptors, content, places, collections, redirects });
  const schema1 = createSchema1({ store, links, content, lookup, options: dependencies.schema1, readOnly, now, log });
  const blobs = schema1.enabled ? withEmptyTar(stored, readOnly) : stored;
  const references = createReferences({ store, links, lookup, policy });
  const revisions = createRevisionScan({ store, links, content, readOnly, log, clock, times: dependencies.scanTimes });
  const referrers = createReferrers({ store, links, revisions });
  const untagging = createUntagging({ store, tags, newId, clock });
  const removal = createRemoval({ store, links, descriptors, tags, untagging });
  const manifests = createManifests({
    store,
    links,
    content,
    locks,
    tags,
    references,
    referrers,
    catalog,
    schema1,
    removal,
    untagging,
    collections,
    classes,
    onDamage,
  });
  const uploads = createUploads({ store, places, collections, descriptors, newId, now });
  const convert = createConversion(manifests, schema1);
  return { blobs, uploads, manifests, convert, tags, catalog, referrers };
}
