/**
 * Uploads: bytes arrive in any number of pieces and become a blob when their digest is right (distribution specification,
 * "Pushing blobs"). All state that another replica needs lies in the store; what is kept here (a running hash) only saves
 * reading the bytes again.
 */
import { LRUCache } from 'lru-cache';
import { type Algorithm, algorithmOf, canonical, type Digest } from '../oci/digest.ts';
import { fault, type RegistryError } from '../oci/error.ts';
import type { RepositoryName } from '../oci/name.ts';
import { type AppendOptions, type Cancellable, type Store, StoreError, type Upload } from '../storage/store.ts';
import type { Collections } from './collections.ts';
import type { Descriptors } from './descriptors.ts';
import { unlessGone } from './faults.ts';
import * as keys from './keys.ts';
import { link } from './links.ts';
import type { Places } from './places.ts';
import { type Progress, readDigests, recordedProgress, recordProgress, startProgress } from './progress.ts';

/** One request's part in an upload. */
export interface Piece {
  /** The stored size that the client believes in, if it says; anything else is RANGE_INVALID and changes nothing. */
  readonly expectedOffsets: readonly number[];
  /** Bytes that the client announced, if it did; anything else is SIZE_INVALID and is taken back. */
  readonly expectedLength: number | undefined;
  /** `undefined`: the request says that it carries none. */
  readonly source: AsyncIterable<Uint8Array> | undefined;
}

export interface UploadStatus {
  readonly id: string;
  /** Bytes stored. */
  readonly size: number;
}

export interface Uploads {
  /** `algorithm`: what the client says it will use; a hint that binds nobody. */
  begin(name: RepositoryName, algorithm: Algorithm | undefined, options: Cancellable): Promise<UploadStatus>;
  status(name: RepositoryName, id: string, options: Cancellable): Promise<UploadStatus>;
  append(name: RepositoryName, id: string, piece: Piece, options: Cancellable): Promise<UploadStatus>;
  /** The last piece, which may be empty. A digest that does not match is DIGEST_INVALID and ends the upload. */
  finish(name: RepositoryName, id: string, digest: Digest, piece: Piece, options: Cancellable): Promise<void>;
  cancel(name: RepositoryName, id: string, options: Cancellable): Promise<void>;
}

export interface UploadsDependencies {
  readonly store: Store;
  readonly places: Places;
  readonly collections: Collections;
  readonly descriptors: Descriptors;
  readonly newId: () => string;
  readonly now: () => Date;
}

const outOfPlace = (offset: number): RegistryError =>
  fault('RANGE_INVALID', `the upload has ${offset} bytes; go on from there`, { offset });

/** Running hashes kept; the least used is dropped, and its upload read back at commit. */
const maxRunning = 4096;
/**
 * Bytes from which an unfinished upload's hash is recorded for other processes. Of less, another replica reads back what
 * is stored sooner than this one would wait for the disk, since a record needs flushed bytes.
 */
const worthRecording = 4 * 1024 * 1024;

export function createUploads({ store, places, collections, descriptors, newId, now }: UploadsDependencies): Uploads {
  const running = new LRUCache<string, Progress>({ max: maxRunning });

  const session = (name: RepositoryName, id: string): Upload => store.resumeUpload(keys.uploadData(name, id));

  const unknown = (id: string): RegistryError => fault('BLOB_UPLOAD_UNKNOWN', undefined, { uuid: id });

  /**
   * Requests on one upload do not wait for each other: a client that comes back must not hang behind its own dead
   * connection. The store lets one of them win; an upload may also be cancelled at any moment.
   */
  const unlessCancelled = <T>(id: string, work: () => Promise<T>): Promise<T> => unlessGone(work, () => unknown(id));

  async function sizeOf(upload: Upload, id: string, options: Cancellable): Promise<number> {
    const size = await upload.size(options);
    if (size === undefined) throw unknown(id);
    return size;
  }

  /** Takes a piece; resolves with the hashes over everything stored, or `undefined` if they were not kept. */
  async function take(upload: Upload, id: string, piece: Piece, options: AppendOptions): Promise<Taken> {
    const offset = await sizeOf(upload, id, options);
    if (piece.expectedOffsets.some((expected) => expected !== offset)) throw outOfPlace(offset);
    const key = upload.path;
    const kept = running.get(key);
    const before = kept?.offset === offset ? kept : offset === 0 ? startProgress(undefined) : undefined;
    if (piece.source === undefined) return { size: offset, progress: before };
    // Forgotten until the piece is stored whole: a torn one leaves the hash ahead of the bytes.
    running.delete(key);
    const after = before?.copy();
    const onChunk = (chunk: Uint8Array): void => after?.update(chunk);
    const size = await upload.append(offset, piece.source, { ...options, onChunk, length: piece.expectedLength });
    // What is still held may be taken over: nothing is remembered of it before it was let go.
    if (after && options.last !== true) running.set(key, after);
    return { size, progress: after };
  }

  /** A request that met another one on the same upload, in this process or elsewhere, learns where the upload is now. */
  async function unlessMet<T>(upload: Upload, id: string, work: () => Promise<T>, options: Cancellable): Promise<T> {
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof StoreError)) throw error;
      if (error.code === 'conflict') throw outOfPlace(await sizeOf(upload, id, options));
      if (error.code === 'invalid-length') throw fault('SIZE_INVALID', 'other than the announced number of bytes came');
      throw error;
    }
  }

  async function digests(
    name: RepositoryName,
    id: string,
    upload: Upload,
    state: Taken,
    wanted: Algorithm,
    options: Cancellable,
  ) {
    const found = state.progress?.digests() ?? (await recordedProgress(store, name, id, state.size, options));
    const missing = [canonical, wanted].filter((algorithm) => !found.has(algorithm));
    for (const [algorithm, digest] of await readDigests(upload, missing, options)) found.set(algorithm, digest);
    return found;
  }

  /** Begun by whichever program. */
  async function isBegun(name: RepositoryName, id: string, options: Cancellable): Promise<boolean> {
    const dates = [keys.uploadStartedAt(name, id), ...(store.ownSessions === true ? [keys.uploadBegun(name, id)] : [])];
    const found = await Promise.all(dates.map((path) => store.stat(path, options)));
    return found.some((date) => date !== undefined);
  }

  /** `uploads`: bytes may be left that only another registry knows of. */
  const drop = (name: RepositoryName, id: string, uploads = true): Promise<boolean> => {
    running.delete(keys.uploadData(name, id));
    // A session that came back after a power loss would be purged in time; nobody need wait for the disk. Not broken off
    // when the client leaves: what is left of a folder might be without its date.
    return store.delete(keys.upload(name, id), { durable: false, uploads });
  };

  async function complete(
    name: RepositoryName,
    id: string,
    upload: Upload,
    digest: Digest,
    piece: Piece,
    options: Cancellable,
  ): Promise<void> {
    // The digest is known while the bytes come, so they may go where they belong, and are seen only if they are right.
    const target = algorithmOf(digest) === canonical ? keys.blobData(digest) : undefined;
    const before = await collections.now(options);
    const state = await take(upload, id, piece, { ...options, last: true, target });
    const found = await digests(name, id, upload, state, algorithmOf(digest), options).catch(async (error: unknown) => {
      // The client may come back: it must not find the bytes in the hands of a request that has failed.
      await upload.release?.();
      throw error;
    });
    const stored = found.get(canonical);
    if (stored === undefined || found.get(algorithmOf(digest)) !== digest) {
      await upload.release?.();
      await drop(name, id);
      throw fault('DIGEST_INVALID', 'the content does not match the digest; the upload was removed', { digest });
    }
    const members = digest === stored ? [digest] : [stored, digest];
    const links = members.map((member) => link(keys.layerLink(name, member), stored));
    // Together, since they wait for the same device: a link without bytes counts as absent, so any crash is harmless.
    await Promise.all([
      upload.commit(keys.blobData(stored), state.size, options).then(() => drop(name, id, false)),
      store.putAll(links, options),
      ...members.map((member) => places.note(member, name, options)),
    ]);
    if (
      (await collections.met(before, [stored, digest], options)) &&
      !(await isWhole(name, members, stored, options))
    ) {
      throw fault('UNAVAILABLE', 'the same content was just removed as garbage; push it again', { digest });
    }
    descriptors.note(name, { digest, stored, size: state.size });
  }

  /** Whether what was written is still there. */
  async function isWhole(
    name: RepositoryName,
    members: readonly Digest[],
    stored: Digest,
    options: Cancellable,
  ): Promise<boolean> {
    const paths = [keys.blobData(stored), ...members.map((member) => keys.layerLink(name, member))];
    const found = await Promise.all(paths.map((path) => store.stat(path, options)));
    return found.every((stat) => stat !== undefined);
  }

  return {
    async begin(name, algorithm, options) {
      options.signal?.throwIfAborted();
      const id = newId();
      // The date first, and not broken off half-way when the client leaves: a folder without it would never be purged.
      const startedAt = Buffer.from(
        now()
          .toISOString()
          .replace(/\.\d+Z$/, 'Z'),
        'latin1',
      );
      const path = store.ownSessions === true ? keys.uploadBegun(name, id) : keys.uploadStartedAt(name, id);
      const beside = { path, content: startedAt };
      await store.beginUpload(keys.uploadData(name, id), { beside });
      running.set(keys.uploadData(name, id), startProgress(algorithm));
      return { id, size: 0 };
    },

    async status(name, id, options) {
      return { id, size: await sizeOf(session(name, id), id, options) };
    },

    append: (name, id, piece, options) =>
      unlessCancelled(id, async () => {
        const upload = session(name, id);
        // Flushed before it is recorded, so that after a power loss a record never vouches for bytes that are gone.
        const work = (): Promise<Taken> => take(upload, id, piece, { ...options, flushFrom: worthRecording });
        const { size, progress } = await unlessMet(upload, id, work, options);
        if (progress && size >= worthRecording) {
          await recordProgress(store, name, id, progress, options);
          // Cancelled elsewhere meanwhile: the record must not leave a folder that nobody would ever purge.
          if (!(await isBegun(name, id, options))) await drop(name, id);
        }
        return { id, size };
      }),

    finish: (name, id, digest, piece, options) =>
      unlessCancelled(id, async () => {
        const upload = session(name, id);
        await unlessMet(upload, id, () => complete(name, id, upload, digest, piece, options), options);
      }),

    cancel: (name, id, options) =>
      unlessCancelled(id, async () => {
        await sizeOf(session(name, id), id, options);
        await drop(name, id);
      }),
  };
}

interface Taken {
  readonly size: number;
  readonly progress: Progress | undefined;
}
