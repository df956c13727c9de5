/**
 * Finds the manifests with a subject that other programs wrote into the same tree, or that older clients pushed: each revision is
 * read once, and what is found is written into the index of referrers, where that is possible: on a full disk, or while nothing
 * may be written, it is only remembered.
 *
 * In a tree of years the first search takes long. All who ask meanwhile share one, which goes on only as long as somebody waits
 * for it, keeps what it has found, and lets nobody wait without end: an answer that lacks referrers would be taken for the truth.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { LRUCache } from 'lru-cache';
import type { Logger } from '../log.ts';
import { type Digest, parseDigest } from '../oci/digest.ts';
import { fault } from '../oci/error.ts';
import { type Manifest, parseManifest } from '../oci/manifest.ts';
import type { RepositoryName } from '../oci/name.ts';
import { type Cancellable, type Put, type Store, StoreError } from '../storage/store.ts';
import type { Content } from './content.ts';
import * as keys from './keys.ts';
import { maxManifestSize } from './limits.ts';
import type { Links } from './links.ts';
import { eachLimited } from './parallel.ts';
import { referrerEntry } from './referrers-entry.ts';

/** What was looked at in one repository. */
export interface Scanned {
  readonly digests: Set<string>;
  /** The listing of `revisions/ALG` that is covered. */
  readonly listings: Map<string, Listed>;
  /** Entries that could not be written, by the subject's digest and their name. Gone, they are found again. */
  readonly unwritten: Map<Digest, Map<string, Buffer>>;
  /** Revisions without a link or bytes: they are looked at again, but not each time. */
  readonly unreadable: Set<string>;
  /** When, by the clock. */
  retryAt: number;
  /** The search under way, and how many wait for it. */
  search: Promise<void> | undefined;
  waiting: number;
}

interface Listed {
  readonly version: string | undefined;
  /** By the clock; for stores that can't tell versions. */
  readonly until: number;
}

/** Milliseconds. */
export interface ScanTimes {
  /** How long a request waits for a search. */
  readonly patience: number;
  /** After which revisions that could not be read are tried again, at the earliest. */
  readonly retry: number;
}

export const scanTimes: ScanTimes = { patience: 20_000, retry: 30_000 };

export interface RevisionScan {
  /** Resolves when every revision was looked at. Throws UNAVAILABLE if that takes too long; what was found meanwhile is kept. */
  complete(name: RepositoryName, options: Cancellable): Promise<Scanned>;
  /** Looks at one manifest again. */
  again(name: RepositoryName, scanned: Scanned, digest: Digest, options: Cancellable): Promise<void>;
  /** A manifest whose entry was written with it. */
  note(name: RepositoryName, digest: Digest): void;
}

export interface RevisionScanDependencies {
  readonly store: Store;
  readonly links: Links;
  readonly content: Content;
  /** Whether nothing may be written just now. */
  readonly readOnly: () => boolean;
  readonly log: Logger;
  /** Milliseconds of a clock that never goes back. */
  readonly clock: () => number;
  readonly times?: ScanTimes | undefined;
}

const algorithms = ['sha256', 'sha384', 'sha512'];
/** Digests remembered over all repositories. */
const maxRemembered = 500_000;
/** From so many manifests read in one go, the result is written down, so that a restart need not read them again. */
const worthRecording = 64;
/** Manifests between two looks at who still waits. */
const stride = 256;
/** A listing without a version is good for so many times what it took to make. */
const listingFactor = 10;

export function createRevisionScan(dependencies: RevisionScanDependencies): RevisionScan {
  const { store, links, content, readOnly, log, clock, times = scanTimes } = dependencies;
  const memory = new LRUCache<RepositoryName, Scanned>({ maxSize: maxRemembered, sizeCalculation: weightOf });

  async function remembered(name: RepositoryName, options: Cancellable): Promise<Scanned> {
    const known = memory.get(name);
    if (known !== undefined) return known;
    const record = await store.read(keys.referrersScanned(name), options);
    const made = memory.get(name) ?? {
      digests: new Set(record?.toString('latin1').split('\n')),
      listings: new Map(),
      unwritten: new Map(),
      unreadable: new Set(),
      retryAt: Infinity,
      search: undefined,
      waiting: 0,
    };
    memory.set(name, made);
    return made;
  }

  /** Anew, so that its grown size is counted. */
  function weighAgain(name: RepositoryName, scanned: Scanned): void {
    memory.delete(name);
    memory.set(name, scanned);
  }

  /** Answering a GET needs no write: one that fails, or must not be, leaves the entry in memory. */
  async function writeDown(scanned: Scanned, subject: Digest, put: Put, options: Cancellable): Promise<void> {
    const entryName = put.path.slice(put.path.lastIndexOf('/') + 1);
    if (!readOnly()) {
      try {
        // Durable, since the record of what was looked at must not outlive it.
        await store.put(put.path, put.content, options);
        scanned.unwritten.get(subject)?.delete(entryName);
        return;
      } catch (error) {
        tolerate(put.path, error, options);
      }
    }
    // Looked up only now: others of the same subject are written meanwhile.
    const entries = scanned.unwritten.get(subject) ?? new Map<string, Buffer>();
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
    const [put] = manifest === undefined ? [] : referrerEntry(name, digest, manifest, bytes.length);
    if (put !== undefined && subject !== undefined) await writeDown(scanned, subject, put, options);
    return true;
  }

  /** The revisions of one algorithm that have to be looked at. */
  async function fresh(name: RepositoryName, scanned: Scanned, algorithm: string): Promise<readonly Digest[]> {
    const before = scanned.listings.get(algorithm);
    const begun = clock();
    if (before?.version === undefined && before !== undefined && begun < before.until) return [];
    const page = await store.list(keys.revisions(name, algorithm));
    if (page === undefined || (page.version !== undefined && page.version === before?.version)) return [];
    const now = clock();
    const found = page.entries
      .map((entry) => parseDigest(`${algorithm}:${entry.name}`))
      .filter((digest) => digest !== undefined);
    forgetGone(scanned, algorithm, found);
    const wanted = found.filter((digest) => !scanned.digests.has(digest) && !scanned.unreadable.has(digest));
    if (wanted.length === 0) {
      scanned.listings.set(algorithm, { version: page.version, until: now + listingFactor * (now - begun) });
    }
    return wanted;
  }

  /** Reads them as long as somebody waits. */
  async function readAll(name: RepositoryName, scanned: Scanned, wanted: readonly Digest[]): Promise<void> {
    for (let at = 0; at < wanted.length && scanned.waiting > 0; at += stride) {
      await eachLimited(wanted.slice(at, at + stride), async (digest) => {
        const found = await scan(name, scanned, digest, {});
        (found ? scanned.digests : scanned.unreadable).add(digest);
      });
    }
  }

  async function search(name: RepositoryName, scanned: Scanned): Promise<void> {
    const begun = clock();
    const before = scanned.digests.size;
    if (begun >= scanned.retryAt) {
      scanned.unreadable.clear();
      scanned.listings.clear();
      scanned.retryAt = Infinity;
    }
    for (const algorithm of algorithms) {
      let wanted = await fresh(name, scanned, algorithm);
      while (wanted.length > 0 && scanned.waiting > 0) {
        await readAll(name, scanned, wanted);
        wanted = await fresh(name, scanned, algorithm);
      }
    }
    if (scanned.unreadable.size > 0 && scanned.retryAt === Infinity) {
      scanned.retryAt = clock() + Math.max(times.retry, listingFactor * (clock() - begun));
    }
    const read = scanned.digests.size - before;
    if (read !== 0) weighAgain(name, scanned);
    // What is held in memory alone has to be found again by whoever reads the record.
    if (read < worthRecording || scanned.unwritten.size > 0 || readOnly()) return;
    const path = keys.referrersScanned(name);
    const record = Buffer.from([...scanned.digests].join('\n'), 'latin1');
    await store.put(path, record, { durable: false }).catch((error: unknown) => tolerate(path, error, {}));
  }

  function begin(name: RepositoryName, scanned: Scanned): Promise<void> {
    const begun = search(name, scanned).finally(() => {
      scanned.search = undefined;
    });
    // All who waited may have left when it fails.
    begun.catch(() => undefined);
    scanned.search = begun;
    return begun;
  }

  /** One that began before this request may have missed what was pushed since, or stopped for want of company. */
  async function searchFrom(name: RepositoryName, scanned: Scanned): Promise<void> {
    await scanned.search?.catch(() => undefined);
    await (scanned.search ?? begin(name, scanned));
  }

  async function wait(name: RepositoryName, scanned: Scanned, { signal }: Cancellable): Promise<void> {
    const done = new AbortController();
    scanned.waiting++;
    try {
      const stop = signal === undefined ? done.signal : AbortSignal.any([signal, done.signal]);
      const patience = sleep(times.patience, 'too long', { signal: stop });
      patience.catch(() => undefined);
      const whole = searchFrom(name, scanned);
      whole.catch(() => undefined);
      if ((await Promise.race([whole, patience])) === 'too long') {
        const seen = `${scanned.digests.size} manifests were looked at so far`;
        throw fault('UNAVAILABLE', `the referrers in this repository are being searched for, ask again later: ${seen}`);
      }
    } finally {
      done.abort();
      scanned.waiting--;
    }
  }

  return {
    async complete(name, options) {
      const scanned = await remembered(name, options);
      await wait(name, scanned, options);
      return scanned;
    },
    async again(name, scanned, digest, options) {
      await scan(name, scanned, digest, options);
    },
    note(name, digest) {
      memory.get(name)?.digests.add(digest);
    },
  };
}

/** In digests: what is held in memory counts by its size. One repository may take all the room, or it would never be done. */
function weightOf({ digests, unreadable, unwritten }: Scanned): number {
  let weight = digests.size + unreadable.size + 1;
  for (const entries of unwritten.values()) {
    for (const bytes of entries.values()) weight += 2 + Math.ceil(bytes.length / digestBytes);
  }
  return Math.min(weight, maxRemembered);
}

/** About what a remembered digest takes. */
const digestBytes = 100;

/** What was deleted may be pushed again by another program, and has to be looked at again then. */
function forgetGone({ digests, unreadable }: Scanned, algorithm: string, found: readonly Digest[]): void {
  const there: ReadonlySet<string> = new Set(found);
  for (const seen of [digests, unreadable]) {
    for (const digest of seen) if (digest.startsWith(`${algorithm}:`) && !there.has(digest)) seen.delete(digest);
  }
}

/** `undefined`: a stored manifest that cannot be read has no subject. */
function tryParse(bytes: Buffer): Manifest | undefined {
  try {
    return parseManifest(bytes);
  } catch {
    return undefined;
  }
}
