/**
 * Upload sessions in a container. A session's bytes lie in a block blob beside the place where Distribution has its own, in
 * `bytes.data`: what a piece brought is seen by nobody until the list of blocks is written, on condition that nobody else
 * wrote one since. So of two pieces that meet one is told `conflict`, and its blocks are as if they had never been sent.
 *
 * Distribution's sessions are append blobs called `data`. They are gone on with by copying their bytes into blocks of ours;
 * Distribution finds nothing of a session of ours. A folder that holds something else is a session without bytes.
 */
import { Readable } from 'node:stream';
import { type AzureBlobs, COPY, type Condition, TRANSFER } from './azure-blobs.ts';
import type { Blocks, Staged } from './azure-blocks.ts';
import { DRIVER } from './azure-errors.ts';
import type { AzureListings } from './azure-list.ts';
import type { AzureReplacements } from './azure-replace.ts';
import type { ObjectKeys } from './object-keys.ts';
import { checkObjectPath } from './paths.ts';
import { checkOffset, checkRange, clamp, type Window } from './ranges.ts';
import { StoreError, type Upload } from './store.ts';

export interface AzureUploadParts {
  readonly blobs: AzureBlobs;
  readonly blocks: Blocks;
  readonly replacements: AzureReplacements;
  readonly listings: AzureListings;
  readonly keys: ObjectKeys;
  /** A part of a blob that is there. */
  readonly openBlob: (path: string, name: string, window: Window, signal: AbortSignal | undefined) => Promise<Readable>;
}

/** Where a session's bytes are. */
interface Session {
  readonly name: string;
  readonly size: number;
  /** `undefined`: there is no blob yet. */
  readonly etag: string | undefined;
}

/** What the last piece left in this object's hands. */
interface Held {
  readonly target: string;
  readonly size: number;
  readonly session: Session;
  readonly staged: Staged;
}

/** The blob of a session's blocks. */
export const blocksOf = (key: string): string => key.replace(/[^/]+$/, (name) => `bytes.${name}`);

export function createAzureUpload(parts: AzureUploadParts, path: string): Upload {
  const { blobs, blocks, replacements, listings, keys, openBlob } = parts;
  checkObjectPath(DRIVER, path);
  const key = keys.key(path);
  const own = blocksOf(key);
  const folder = key.slice(0, key.lastIndexOf('/') + 1);
  const conflict = (): StoreError => new StoreError('conflict', DRIVER, path);
  let held: Held | undefined;

  /** One look at the folder tells all. */
  async function find(signal: AbortSignal): Promise<Session | undefined> {
    const found = await listings.folder(folder, signal);
    for (const name of [own, key]) {
      const blob = found.find((candidate) => candidate.name === name);
      if (blob === undefined) continue;
      const { contentLength = 0, etag } = blob.properties;
      return { name, size: contentLength, etag: quoted(etag) };
    }
    return found.length > 0 ? { name: own, size: 0, etag: undefined } : undefined;
  }

  async function need(size: number, signal: AbortSignal): Promise<Session> {
    const session = await find(signal);
    if (session === undefined) throw new StoreError('not-found', DRIVER, path);
    if (session.size !== size) throw conflict();
    return session;
  }

  /** Blocks with the session's bytes so far; those that are somewhere else are sent once more. */
  async function blocksBefore(session: Session, signal: AbortSignal): Promise<readonly string[]> {
    if (session.etag === undefined || session.size === 0) return [];
    const listed = session.name === own ? await blocks.listed(own, session.size, session.etag, signal) : undefined;
    return listed ?? (await adopt(session, signal));
  }

  async function adopt(session: Session, signal: AbortSignal): Promise<readonly string[]> {
    const bytes = await openBlob(path, session.name, { start: 0, end: session.size }, signal);
    const copied = await blocks.stage(bytes, { path, own, target: undefined, before: 0, append: { signal } });
    if (copied.broken !== undefined) throw copied.broken.error;
    if (copied.bytes !== session.size) throw conflict();
    return copied.ids;
  }

  /** Lists what was sent behind what was there, if nobody did so meanwhile. */
  async function keep(session: Session, before: readonly string[], staged: Staged, signal: AbortSignal): Promise<void> {
    const fresh = session.name !== own || session.etag === undefined;
    const condition: Condition = fresh ? { ifNoneMatch: '*' } : { ifMatch: session.etag };
    if (!(await staged.commit(before, condition, signal))) throw conflict();
    if (session.name !== own) await blobs.remove(session.name, session.etag, signal);
  }

  /** The session is gone now; who finds it changed was not alone. That it is gone already may be our own doing. */
  async function end({ name, etag }: Session, signal: AbortSignal): Promise<void> {
    if (etag === undefined || (await blobs.remove(name, etag, signal))) return;
    if ((await blobs.properties(name, signal)) !== undefined) throw conflict();
  }

  async function commitHeld({ target, size, session, staged }: Held, signal: AbortSignal): Promise<void> {
    const name = keys.key(target);
    if (staged.small !== undefined) {
      await replacements.write(path, name, staged.small, signal);
      return await end(session, signal);
    }
    const written = await staged.commit([], {}, signal);
    // Overtaken by a push of the same content to the same place, which made it what it was to be.
    if (!written && (await blobs.properties(name, signal))?.contentLength !== size) throw conflict();
    await end(session, signal);
  }

  async function commitStored(session: Session, target: string, signal: AbortSignal): Promise<void> {
    const name = keys.key(target);
    if (session.size === 0) await replacements.write(path, name, Buffer.alloc(0), signal);
    else if ((await replacements.copy(path, session, name, signal)) !== 'done') throw conflict();
    await end(session, signal);
  }

  return {
    path,

    size: (options) => blobs.run(path, options?.signal, async (signal) => (await find(signal))?.size),

    async append(offset, source, options = {}) {
      checkOffset(DRIVER, path, offset);
      held = undefined;
      const [session, before] = await blobs.run(
        path,
        options.signal,
        async (signal) => {
          const found = await need(offset, signal);
          return [found, await blocksBefore(found, signal)] as const;
        },
        TRANSFER,
      );
      const { last, target, length } = options;
      const direct = last === true && offset === 0 ? target : undefined;
      const staged = await blocks.stage(source, {
        path,
        own,
        target: direct === undefined ? undefined : keys.key(direct),
        before: before.length,
        append: options,
      });
      const { bytes, broken, name } = staged;
      if (broken === undefined && length !== undefined && bytes !== length) {
        throw new StoreError('invalid-length', DRIVER, path);
      }
      if (direct !== undefined && name !== own) {
        if (broken !== undefined) throw broken.error;
        held = { target: direct, size: bytes, session, staged };
        return bytes;
      }
      // What came before a break stays, whoever has left.
      if (bytes > 0) await blobs.run(path, undefined, (signal) => keep(session, before, staged, signal));
      if (broken !== undefined) throw broken.error;
      return offset + bytes;
    },

    async open(range, options) {
      checkRange(DRIVER, path, range);
      const session = await blobs.run(path, options?.signal, find);
      if (session === undefined) return undefined;
      const window = clamp(range, session.size);
      return window.start === window.end
        ? Readable.from([])
        : await openBlob(path, session.name, window, options?.signal);
    },

    async commit(target, size, options) {
      checkOffset(DRIVER, path, size);
      checkObjectPath(DRIVER, target);
      const kept = held;
      held = undefined;
      const work = async (signal: AbortSignal): Promise<void> => {
        if (kept === undefined) return await commitStored(await need(size, signal), target, signal);
        if (kept.target !== target || kept.size !== size) throw conflict();
        await commitHeld(kept, signal);
      };
      await blobs.run(path, options?.signal, work, COPY);
    },

    async release() {
      held = undefined;
    },
  };
}

/** Listings spell an ETag without the quotes that conditions want. */
const quoted = (etag: string): string => (etag.startsWith('"') ? etag : `"${etag}"`);
