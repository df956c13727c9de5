/**
 * Upload sessions in a bucket. Small ones are put in one call at commit; large ones are sent in parts, into a key of the
 * session, or straight into the place of the commit when that is known from the start. What another process needs to go on
 * stands in the session's record, see `s3-session.ts`.
 */
import { Readable } from 'node:stream';
import type { ObjectKeys } from './object-keys.ts';
import { checkObjectPath } from './paths.ts';
import { checkOffset, checkRange } from './ranges.ts';
import { type AppendParts, append, type Held } from './s3-append.ts';
import { sealed } from './s3-claim.ts';
import { assemble, type CommitParts, commit } from './s3-commit.ts';
import { DRIVER, sessionKeys } from './s3-keys.ts';
import type { ReadOptions, Reads } from './s3-read.ts';
import { type Lent, readBack } from './s3-readback.ts';
import { type Piece, type Session, sizeOf } from './s3-session.ts';
import { type AppendOptions, type ByteRange, StoreError, type Upload } from './store.ts';

export interface UploadParts extends AppendParts, CommitParts {
  readonly keys: ObjectKeys;
  readonly reads: Reads;
}

export function createS3Upload(parts: UploadParts, path: string): Upload {
  const { sessions, reads } = parts;
  const keys = sessionKeys(parts.keys, path);
  /** What `size` saw, good for the next call: writes are checked against it anyway. */
  let seen: Session | undefined;
  let held: Held | undefined;

  async function current(options: ReadOptions): Promise<Session> {
    const session = seen ?? (await sessions.load(keys, options));
    seen = undefined;
    if (session === undefined) throw new StoreError('not-found', DRIVER, path);
    return session;
  }

  /** The session if it has so many bytes, looked up anew when what was seen does not fit. */
  async function having(size: number, options: ReadOptions): Promise<Session> {
    let session = await current(options);
    if (sizeOf(session.state) !== size) session = await current(options);
    if (sizeOf(session.state) !== size) throw new StoreError('conflict', DRIVER, path);
    return session;
  }

  async function release(): Promise<void> {
    const before = held;
    held = undefined;
    // What it deletes, the session's folder would take with it.
    await before?.end().catch(() => {});
  }

  /** Where the bytes may go at once: nothing came before them, and they come whole. */
  function directKey({ last, target }: AppendOptions, { state }: Session): string | undefined {
    const isFresh = sizeOf(state) === 0 && state.object === undefined && (state.upload?.parts.length ?? 0) === 0;
    if (last !== true || target === undefined || !isFresh) return undefined;
    checkObjectPath(DRIVER, target);
    return parts.keys.key(target);
  }

  async function open(range: ByteRange | undefined, options: ReadOptions): Promise<Readable | undefined> {
    if (held?.direct === true) {
      throw new StoreError('unsupported', DRIVER, path, new Error('bytes on their way to their place cannot be read'));
    }
    const mine = held;
    if (mine !== undefined && mine.upload === undefined) {
      const bytes = (): Buffer | undefined => (held === mine ? mine.bytes : undefined);
      return streamed([...mine.tail, { size: mine.bytes.length, bytes }], range, options);
    }
    let session = mine?.session ?? seen ?? (await sessions.load(keys, options));
    seen = undefined;
    if (session === undefined) return undefined;
    const { upload } = session.state;
    if (mine !== undefined || (upload !== undefined && upload.parts.length > 0)) {
      // Parts cannot be read. The tail stays a tail, in the record all the time.
      session =
        mine === undefined
          ? await sealed(parts, keys, session, options)
          : (await assemble(parts, { keys, session, held: mine }, options)).session;
      await release();
      seen = session;
    }
    const { object, tail } = session.state;
    if (object !== undefined && tail.length === 0) return await reads.open(object.key, range, options);
    return streamed(object === undefined ? tail : [object, ...tail], range, options);
  }

  const streamed = (pieces: readonly (Piece | Lent)[], range: ByteRange | undefined, options: ReadOptions): Readable =>
    Readable.from(readBack(reads, pieces, range, options), { objectMode: false });

  return {
    path,
    release,

    async size(options) {
      seen = await sessions.load(keys, { path, signal: options?.signal });
      return seen && sizeOf(seen.state);
    },

    async append(offset, source, options = {}) {
      checkOffset(DRIVER, path, offset);
      options.signal?.throwIfAborted();
      await release();
      const session = await having(offset, { path, signal: options.signal });
      const direct = directKey(options, session);
      const appended = await append(parts, { path, keys, session, direct }, source, options);
      held = appended.held;
      seen = options.last === true && held === undefined ? appended.session : undefined;
      return held?.size ?? sizeOf(appended.session.state);
    },

    async open(range, options) {
      checkRange(DRIVER, path, range);
      options?.signal?.throwIfAborted();
      return await open(range, { path, signal: options?.signal });
    },

    async commit(target, size, options) {
      checkOffset(DRIVER, path, size);
      checkObjectPath(DRIVER, target);
      const signal = options?.signal;
      signal?.throwIfAborted();
      if (held !== undefined && held.size !== size) throw new StoreError('conflict', DRIVER, path);
      const session = held?.session ?? (await having(size, { path, signal }));
      try {
        await commit(parts, { keys, session, held }, parts.keys.key(target), { path, signal });
      } catch (error) {
        // Its bytes counted only with this commit.
        if (held?.upload !== undefined && held.direct)
          await sessions.relinquish(keys, held.upload, { path }).catch(() => {});
        throw error;
      } finally {
        await release();
      }
    },
  };
}
