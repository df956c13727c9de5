/**
 * Referrers (distribution specification, "Listing Referrers"): which manifests name a digest as their subject. The index is
 * ours and can be deleted at any time. An entry counts only while its manifest's revision link is there, so deleting a
 * manifest needs no write here, and an entry of a manifest that is pushed again is right at once.
 *
 * Manifests that another program wrote into the same tree, or that older clients pushed with a `sha256-<hex>` fallback tag,
 * lie below `revisions/` like all others: `referrers-scan.ts` finds them.
 */
import type { Digest } from '../oci/digest.ts';
import type { Manifest } from '../oci/manifest.ts';
import type { RepositoryName } from '../oci/name.ts';
import type { Cancellable, Page, Put, Store } from '../storage/store.ts';
import * as keys from './keys.ts';
import type { Links } from './links.ts';
import { type ReferrerDescriptor, referrerEntry } from './referrers-entry.ts';
import type { RevisionScan, Scanned } from './referrers-scan.ts';

export interface ReferrersRequest extends Cancellable {
  readonly artifactType: string | undefined;
  /** The marker that an earlier page gave as `next`. */
  readonly after: string | undefined;
}

export interface ReferrersPage {
  readonly descriptors: readonly ReferrerDescriptor[];
  /** Where the next page begins, if there may be one. */
  readonly next: string | undefined;
}

export interface Referrers {
  /** What a push has to write for a manifest; empty without a subject. */
  entry(name: RepositoryName, digest: Digest, manifest: Manifest, size: number): readonly Put[];
  noteScanned(name: RepositoryName, digest: Digest): void;
  list(name: RepositoryName, subject: Digest, request: ReferrersRequest): Promise<ReferrersPage>;
}

export interface ReferrersDependencies {
  readonly store: Store;
  readonly links: Links;
  readonly revisions: RevisionScan;
}

/** Bytes of descriptors in a page, if it holds more than one (annotations may be as large as manifests). */
const pageBytes = 3 * 1024 * 1024;
/** Entries looked at together. */
const batch = 64;

export function createReferrers({ store, links, revisions }: ReferrersDependencies): Referrers {
  async function load(
    name: RepositoryName,
    scanned: Scanned,
    subject: Digest,
    entryName: string,
    options: Cancellable,
  ) {
    const held = (): Buffer | undefined => scanned.unwritten.get(subject)?.get(entryName);
    const digest = keys.referrerDigest(entryName);
    if (digest === undefined) return undefined;
    const path = keys.referrer(name, subject, digest);
    const [bytes, revision] = await Promise.all([
      held() ?? store.read(path, options),
      links.resolve(keys.revisionLink(name, digest), options),
    ]);
    if (bytes === undefined || revision !== digest) return undefined;
    const descriptor = tryDescriptor(bytes, digest);
    if (descriptor !== undefined) return { descriptor, size: bytes.length };
    // Damaged: made again from the manifest. What is no referrer at all is still none afterwards.
    await revisions.again(name, scanned, digest, options);
    const repaired = held() ?? (await store.read(path, options)) ?? bytes;
    const remade = tryDescriptor(repaired, digest);
    return remade === undefined ? undefined : { descriptor: remade, size: repaired.length };
  }

  return {
    entry: referrerEntry,
    noteScanned: revisions.note,
    async list(name, subject, { artifactType, after, signal }) {
      const scanned = await revisions.complete(name, { signal });
      const descriptors: ReferrerDescriptor[] = [];
      let bytes = 0;
      let marker = after;
      for (;;) {
        const page = await store.list(keys.referrers(name, subject), { after: marker, limit: batch, signal });
        const { names, more } = withUnwritten(page, scanned.unwritten.get(subject), marker);
        const loaded = await Promise.all(names.map((found) => load(name, scanned, subject, found, { signal })));
        for (const [position, found] of loaded.entries()) {
          const isWanted = artifactType === undefined || found?.descriptor.artifactType === artifactType;
          if (found === undefined || !isWanted) continue;
          if (descriptors.length > 0 && bytes + found.size > pageBytes) {
            return { descriptors, next: names[position - 1] ?? marker };
          }
          descriptors.push(found.descriptor);
          bytes += found.size;
        }
        marker = names.at(-1);
        if (!more) return { descriptors, next: undefined };
      }
    },
  };
}

/** The names of a page, those held in memory among them. */
function withUnwritten(
  page: Page | undefined,
  held: ReadonlyMap<string, Buffer> | undefined,
  after: string | undefined,
) {
  const stored = page?.entries.map((entry) => entry.name) ?? [];
  const more = page?.more ?? false;
  if (held === undefined || held.size === 0) return { names: stored, more };
  const last = more ? stored.at(-1) : undefined;
  const fits = (name: string): boolean => (after === undefined || name > after) && (last === undefined || name <= last);
  const names = [...new Set([...stored, ...[...held.keys()].filter(fits)])].sort();
  return { names: names.slice(0, batch), more: more || names.length > batch };
}

/** `undefined`: not an entry of that manifest. */
function tryDescriptor(bytes: Buffer, digest: Digest): ReferrerDescriptor | undefined {
  try {
    const descriptor = JSON.parse(bytes.toString('utf8')) as ReferrerDescriptor | null;
    return descriptor?.digest === digest ? descriptor : undefined;
  } catch {
    return undefined;
  }
}
