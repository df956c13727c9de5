/**
 * Referrers (distribution specification, "Listing Referrers"): which manifests name a digest as their subject. The index is
 * ours and can be deleted at any time. An entry counts only while its manifest's revision link is there, so deleting a
 * manifest needs no write here, and an entry of a manifest that is pushed again is right at once.
 *
 * Manifests that another program wrote into the same tree, or that older clients pushed with a `sha256-<hex>` fallback tag,
 * lie below `revisions/` like all others: each is read once for its subject. What is found so is written down, where that is
 * possible: on a full disk, or while nothing may be written, it is only remembered.
 */
import { LRUCache } from 'lru-cache';
import type { Logger } from '../log.ts';
import { type Digest, parseDigest } from '../oci/digest.ts';
import { type Manifest, parseManifest } from '../oci/manifest.ts';
import type { RepositoryName } from '../oci/name.ts';
import { type Cancellable, type Page, type Put, type Store, StoreError } from '../storage/store.ts';
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
  /** Whether nothing may be written just now. */
  readonly readOnly: () => boolean;
  readonly log: Logger;
}

/** What was looked at in one repository. */
interface Scanned {
  readonly digests: Set<string>;
  /** The listing of `revisions/ALG` that is covered. */
  readonly versions: Map<string, string>;
  /** Entries that could not be written, by the subject's digest and their name. Gone, they are found again. */
  readonly unwritten: Map<Digest, Map<string, Buffer>>;
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

export function createReferrers({ store, links, content, readOnly, log }: ReferrersDependencies): Referrers {
  const memory = new LRUCache<RepositoryName, Scanned>({ maxSize: maxRemembered, sizeCalculation: weightOf });

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
    return {
      digests: new Set(record?.toString('latin1').split('\n')),
      versions: new Map(),
      unwritten: new Map(),
    };
  }

  /** Answering a GET needs no write: one that fails, or must not be, leaves the entry in memory. */
  async function writeDown(scanned: Scanned, subject: Digest, put: Put, options: Cancellable): Promise<void> {
    const entries = scanned.unwritten.get(subject) ?? new Map<string, Buffer>();
    const entryName = put.path.slice(put.path.lastIndexOf('/') + 1);
    if (!readOnly()) {
      try {
        // Durable, since the record of what was looked at must not outlive it.
        await store.put(put.path, put.content, options);
        entries.delete(entryName);
        return;
      } catch (error) {
        tolerate(put.path, error, options);
      }
    }
    scanned.unwritten.set(subject, entries.set(entryName, put.content));
  }

  function tolerate(path: string, error: unknown, { signal }: Cancellable): void {
    signal?.throwIfAborted();
    if (!(error instanceof StoreError)) throw error;
    log.warn({ path, reason: error.message }, 'the index of referrers cannot be written; it is held in memory');
  }

  async function scan(name: RepositoryName, scanned: Scanned, digest: Digest, options: Cancellable): Promise<boolean> {
    if ((await links.resolve(keys.revisionLink(name, digest), options)) !== digest) return false;
    const bytes = await content.read(digest, maxManifestSize, options);
    if (bytes === undefined) return false;
    const manifest = tryParse(bytes);
    const subject = parseDigest(manifest?.subject?.digest ?? '');
    const [put] = manifest === undefined ? [] : entry(name, digest, manifest, bytes.length);
    if (put !== undefined && subject !== undefined) await writeDown(scanned, subject, put, options);
    return true;
  }

  /** Looks at every revision that was not looked at yet. */
  async function catchUp(name: RepositoryName, options: Cancellable): Promise<Scanned> {
    const scanned = await remembered(name, options);
    // At once, so that what was looked at counts even if this client does not wait for the rest.
    memory.set(name, scanned);
    let read = 0;
    for (const algorithm of algorithms) {
      const page = await store.list(keys.revisions(name, algorithm), options);
      if (page === undefined || (page.version !== undefined && page.version === scanned.versions.get(algorithm)))
        continue;
      const found = page.entries
        .map((entry) => parseDigest(`${algorithm}:${entry.name}`))
        .filter((digest) => digest !== undefined);
      forgetGone(scanned, algorithm, found);
      const fresh = found.filter((digest) => !scanned.digests.has(digest));
      let complete = true;
      await eachLimited(fresh, async (digest) => {
        if (await scan(name, scanned, digest, options)) scanned.digests.add(digest);
        else complete = false;
      });
      read += fresh.length;
      if (page.version !== undefined && complete) scanned.versions.set(algorithm, page.version);
    }
    // Anew, so that its grown size is counted.
    memory.delete(name);
    memory.set(name, scanned);
    // What is held in memory alone has to be found again by whoever reads the record.
    if (read < worthRecording || scanned.unwritten.size > 0 || readOnly()) return scanned;
    const path = keys.referrersScanned(name);
    const record = Buffer.from([...scanned.digests].join('\n'), 'latin1');
    await store
      .put(path, record, { ...options, durable: false })
      .catch((error: unknown) => tolerate(path, error, options));
    return scanned;
  }

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
    await scan(name, scanned, digest, options);
    const repaired = held() ?? (await store.read(path, options)) ?? bytes;
    const remade = tryDescriptor(repaired, digest);
    return remade === undefined ? undefined : { descriptor: remade, size: repaired.length };
  }

  return {
    entry,
    noteScanned(name, digest) {
      memory.get(name)?.digests.add(digest);
    },
    async list(name, subject, { artifactType, after, signal }) {
      const scanned = await catchUp(name, { signal });
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

/** In digests: what is held in memory counts by its size. */
function weightOf({ digests, unwritten }: Scanned): number {
  let weight = digests.size + 1;
  for (const entries of unwritten.values()) {
    for (const bytes of entries.values()) weight += 2 + Math.ceil(bytes.length / digestBytes);
  }
  return weight;
}

/** About what a remembered digest takes. */
const digestBytes = 100;

/** What was deleted may be pushed again by another program, and has to be looked at again then. */
function forgetGone({ digests }: Scanned, algorithm: string, found: readonly Digest[]): void {
  const there: ReadonlySet<string> = new Set(found);
  for (const digest of digests) {
    if (digest.startsWith(`${algorithm}:`) && !there.has(digest)) digests.delete(digest);
  }
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
