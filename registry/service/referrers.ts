/**
 * Referrers (distribution specification, "Listing Referrers"): which manifests name a digest as their subject. The index is
 * ours and can be deleted at any time. An entry counts only while its manifest's revision link is there, so deleting a
 * manifest needs no write here, and an entry of a manifest that is pushed again is right at once.
 *
 * Manifests that another program wrote into the same tree, or that older clients pushed with a `sha256-<hex>` fallback tag,
 * lie below `revisions/` like all others: each is read once for its subject.
 */
import { LRUCache } from 'lru-cache';
import { type Digest, parseDigest } from '../oci/digest.ts';
import { type Manifest, parseManifest } from '../oci/manifest.ts';
import type { RepositoryName } from '../oci/name.ts';
import type { Cancellable, Put, Store } from '../storage/store.ts';
import type { Content } from './content.ts';
import * as keys from './keys.ts';
import { maxManifestSize } from './limits.ts';
import type { Links } from './links.ts';
import { eachLimited } from './parallel.ts';

/** As it stands in the answer's `manifests` list (image specification, "Content Descriptors"). */
export interface ReferrerDescriptor {
  readonly mediaType: string;
  readonly digest: Digest;
  readonly size: number;
  readonly artifactType?: string | undefined;
  readonly annotations?: Readonly<Record<string, unknown>> | undefined;
}

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
  readonly content: Content;
}

/** What was looked at in one repository. */
interface Scanned {
  readonly digests: Set<string>;
  /** The listing of `revisions/ALG` that is covered. */
  readonly versions: Map<string, string>;
}

const algorithms = ['sha256', 'sha384', 'sha512'];
/** Digests remembered over all repositories. */
const maxRemembered = 500_000;
/** From so many manifests read in one go, the result is written down, so that a restart need not read them again. */
const worthRecording = 64;
/** Bytes of descriptors in a page, if it holds more than one (annotations may be as large as manifests). */
const pageBytes = 3 * 1024 * 1024;
/** Entries looked at together. */
const batch = 64;

export function createReferrers({ store, links, content }: ReferrersDependencies): Referrers {
  const memory = new LRUCache<RepositoryName, Scanned>({
    maxSize: maxRemembered,
    sizeCalculation: ({ digests }) => digests.size + 1,
  });

  function entry(name: RepositoryName, digest: Digest, manifest: Manifest, size: number): readonly Put[] {
    const subject = parseDigest(manifest.subject?.digest ?? '');
    if (subject === undefined) return [];
    const descriptor: ReferrerDescriptor = {
      mediaType: manifest.mediaType,
      digest,
      size,
      artifactType: manifest.artifactType ?? manifest.config?.mediaType,
      annotations: manifest.annotations,
    };
    return [{ path: keys.referrer(name, subject, digest), content: Buffer.from(JSON.stringify(descriptor)) }];
  }

  async function remembered(name: RepositoryName, options: Cancellable): Promise<Scanned> {
    const known = memory.get(name);
    if (known !== undefined) return known;
    const record = await store.read(keys.referrersScanned(name), options);
    return { digests: new Set(record?.toString('latin1').split('\n')), versions: new Map() };
  }

  async function scan(name: RepositoryName, digest: Digest, options: Cancellable): Promise<boolean> {
    if ((await links.resolve(keys.revisionLink(name, digest), options)) !== digest) return false;
    const bytes = await content.read(digest, maxManifestSize, options);
    if (bytes === undefined) return false;
    const manifest = tryParse(bytes);
    if (manifest !== undefined) {
      // Durable, since the record of what was looked at must not outlive it.
      await store.putAll(entry(name, digest, manifest, bytes.length), options);
    }
    return true;
  }

  /** Looks at every revision that was not looked at yet. */
  async function catchUp(name: RepositoryName, options: Cancellable): Promise<void> {
    const scanned = await remembered(name, options);
    // At once, so that what was looked at counts even if this client does not wait for the rest.
    memory.set(name, scanned);
    let read = 0;
    for (const algorithm of algorithms) {
      const page = await store.list(keys.revisions(name, algorithm), options);
      if (page === undefined || (page.version !== undefined && page.version === scanned.versions.get(algorithm)))
        continue;
      const fresh = page.entries
        .map((found) => parseDigest(`${algorithm}:${found.name}`))
        .filter((digest) => digest !== undefined && !scanned.digests.has(digest));
      let complete = true;
      await eachLimited(fresh as Digest[], async (digest) => {
        if (await scan(name, digest, options)) scanned.digests.add(digest);
        else complete = false;
      });
      read += fresh.length;
      if (page.version !== undefined && complete) scanned.versions.set(algorithm, page.version);
    }
    // Anew, so that its grown size is counted.
    memory.delete(name);
    memory.set(name, scanned);
    if (read < worthRecording) return;
    const record = Buffer.from([...scanned.digests].join('\n'), 'latin1');
    await store.put(keys.referrersScanned(name), record, { ...options, durable: false });
  }

  async function load(name: RepositoryName, subject: Digest, entryName: string, options: Cancellable) {
    const digest = keys.referrerDigest(entryName);
    if (digest === undefined) return undefined;
    const path = keys.referrer(name, subject, digest);
    const [bytes, revision] = await Promise.all([
      store.read(path, options),
      links.resolve(keys.revisionLink(name, digest), options),
    ]);
    if (bytes === undefined || revision !== digest) return undefined;
    const descriptor = tryDescriptor(bytes, digest);
    if (descriptor !== undefined) return { descriptor, size: bytes.length };
    // Damaged: made again from the manifest. What is no referrer at all is still none afterwards.
    await scan(name, digest, options);
    const repaired = (await store.read(path, options)) ?? bytes;
    const remade = tryDescriptor(repaired, digest);
    return remade === undefined ? undefined : { descriptor: remade, size: repaired.length };
  }

  return {
    entry,
    noteScanned(name, digest) {
      memory.get(name)?.digests.add(digest);
    },
    async list(name, subject, { artifactType, after, signal }) {
      await catchUp(name, { signal });
      const descriptors: ReferrerDescriptor[] = [];
      let bytes = 0;
      let marker = after;
      for (;;) {
        const page = await store.list(keys.referrers(name, subject), { after: marker, limit: batch, signal });
        const entries = page?.entries ?? [];
        const loaded = await Promise.all(entries.map((found) => load(name, subject, found.name, { signal })));
        for (const [position, found] of loaded.entries()) {
          const isWanted = artifactType === undefined || found?.descriptor.artifactType === artifactType;
          if (found === undefined || !isWanted) continue;
          if (descriptors.length > 0 && bytes + found.size > pageBytes) {
            return { descriptors, next: entries[position - 1]?.name ?? marker };
          }
          descriptors.push(found.descriptor);
          bytes += found.size;
        }
        marker = entries.at(-1)?.name;
        if (page?.more !== true) return { descriptors, next: undefined };
      }
    },
  };
}

/** `undefined`: a stored manifest that cannot be read has no subject. */
function tryParse(bytes: Buffer): Manifest | undefined {
  try {
    return parseManifest(bytes);
  } catch {
    return undefined;
  }
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
