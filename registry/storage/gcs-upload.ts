/**
 * Upload sessions in a bucket. Pieces are objects of their own, sent side by side; the session is the list of them, replaced
 * only over the one that was read, and a commit joins them at the target on the service's side. The last piece of an upload
 * that had none goes to its target straight away, as a resumable upload that is finished by the commit.
 */
import { Readable } from 'node:stream';
import type { Calls, Scope } from './gcs-calls.ts';
import { DRIVER } from './gcs-errors.ts';
import type { GcsObjects } from './gcs-objects.ts';
import type { Pieces } from './gcs-pieces.ts';
import { createResumable, type Resumable } from './gcs-resumable.ts';
import { createSessions, type Session, type SessionParts } from './gcs-session.ts';
import type { MemoryShare, Seat } from './memory-share.ts';
import type { ObjectKeys } from './object-keys.ts';
import { GRAIN, type Part, sendInParts } from './parts.ts';
import { checkObjectPath } from './paths.ts';
import { checkOffset, checkRange, clamp, type Window } from './ranges.ts';
import { type AppendOptions, StoreError, type Upload } from './store.ts';

export interface GcsUploadParts extends SessionParts {
  readonly calls: Calls;
  readonly objects: GcsObjects;
  readonly pieces: Pieces;
  readonly keys: ObjectKeys;
  readonly memory: MemoryShare;
  /** Bytes of a chunk at most. */
  readonly chunksize: number;
}

/** What the last piece left in this object's hands: a few bytes, or a resumable upload. */
interface Held {
  readonly target: string;
  readonly size: number;
  readonly session: Session;
  readonly small: Buffer | undefined;
  readonly resumable: Resumable;
}

export function createGcsUpload(parts: GcsUploadParts, path: string): Upload {
  checkObjectPath(DRIVER, path);
  const { calls, objects, pieces, keys, memory, chunksize } = parts;
  const sessions = createSessions(parts, keys.key(path));
  const conflict = (): StoreError => new StoreError('conflict', DRIVER, path);
  const scopeOf = (signal: AbortSignal | undefined): Scope => ({ path, signal });
  let held: Held | undefined;

  async function need(size: number, scope: Scope): Promise<Session> {
    const session = await sessions.find(scope);
    if (session === undefined) throw new StoreError('not-found', DRIVER, path);
    if (session.size !== size) throw conflict();
    return session;
  }

  /** Bytes meant for a place go there, and the session stays as it is. */
  async function appendDirectly(
    seat: Seat,
    session: Session,
    target: string,
    source: AsyncIterable<Uint8Array>,
    { onChunk, signal, length }: AppendOptions,
  ): Promise<number> {
    const resumable = createResumable(calls, path, (scope) => objects.beginResumable(keys.key(target), scope));
    let small: Buffer | undefined;
    const send = async ({ bytes, isAll }: Part, ended: AbortSignal): Promise<void> => {
      // In one call with the commit. A copy, so that the large buffer is free.
      if (isAll && bytes.length < GRAIN) small = Buffer.from(bytes);
      else await resumable.send(bytes, ended);
    };
    const options = { onChunk, signal, length, memory, seat, largest: chunksize, parallel: 1, before: 0, send };
    try {
      const { bytes, broken } = await sendInParts(source, options);
      if (broken !== undefined) throw broken.error;
      if (length !== undefined && bytes !== length) throw new StoreError('invalid-length', DRIVER, path);
      held = { target, size: bytes, session, small: bytes === 0 ? Buffer.alloc(0) : small, resumable };
      return bytes;
    } catch (error) {
      await resumable.cancel();
      throw error;
    }
  }

  async function appendPieces(
    session: Session,
    source: AsyncIterable<Uint8Array>,
    { onChunk, signal, length }: AppendOptions,
  ): Promise<number> {
    const { pieces: before } = session;
    const staged = await pieces.stage(source, sessions.pieces, before.length, { path, onChunk, signal, length });
    const { bytes, broken, pieces: fresh } = staged;
    const wrong = broken === undefined && length !== undefined && bytes !== length;
    // What came before a break stays, whoever has left.
    const saved =
      wrong || bytes === 0 ? session : await sessions.save(session, [...before, ...fresh], scopeOf(undefined));
    if (wrong || saved === undefined) await pieces.drop(fresh, path);
    if (wrong) throw new StoreError('invalid-length', DRIVER, path);
    if (saved === undefined) throw conflict();
    if (broken !== undefined) throw broken.error;
    return saved.size;
  }

  async function* bytesOf(session: Session, { start, end }: Window, scope: Scope): AsyncGenerator<Buffer> {
    let at = 0;
    for (const { name, size, generation } of session.pieces) {
      const window = { start: Math.max(0, start - at), end: Math.min(size, end - at) };
      at += size;
      if (window.start >= window.end) continue;
      const bytes = await objects.open(name, window, scope, generation);
      if (bytes === undefined) throw conflict();
      yield* bytes;
    }
  }

  async function commitHeld({ target, small, resumable, session }: Held, scope: Scope): Promise<void> {
    if (small !== undefined) await objects.insert(keys.key(target), small, scope);
    else await resumable.finish(scope.signal ?? new AbortController().signal);
    if (!(await sessions.end(session, scope))) throw conflict();
  }

  async function commitPieces(session: Session, target: string, scope: Scope): Promise<void> {
    const name = keys.key(target);
    if (session.size === 0) await objects.insert(name, Buffer.alloc(0), scope);
    else if (!(await pieces.join(name, session.pieces, sessions.pieces, scope))) throw conflict();
    if (!(await sessions.end(session, scope))) throw conflict();
    await pieces.drop(session.pieces, path);
  }

  async function letGo(): Promise<void> {
    const kept = held;
    held = undefined;
    await kept?.resumable.cancel();
  }

  return {
    path,

    size: async (options) => (await sessions.find(scopeOf(options?.signal)))?.size,

    async append(offset, source, options = {}) {
      checkOffset(DRIVER, path, offset);
      const { last, target, signal } = options;
      await letGo();
      const session = await need(offset, scopeOf(signal));
      // Chunks of a resumable upload cannot be sent early to make room: where memory is short, pieces can.
      const seat = last === true && offset === 0 && target !== undefined ? memory.joinFirmly(2 * GRAIN) : undefined;
      if (seat !== undefined && target !== undefined) {
        return await appendDirectly(seat, session, target, source, options);
      }
      return await appendPieces(await sessions.settle(session, scopeOf(signal)), source, options);
    },

    async open(range, options) {
      checkRange(DRIVER, path, range);
      const scope = scopeOf(options?.signal);
      const found = await sessions.find(scope);
      if (found === undefined) return undefined;
      const session = await sessions.settle(found, scope);
      return Readable.from(bytesOf(session, clamp(range, session.size), scope), { objectMode: false });
    },

    async commit(target, size, options) {
      checkOffset(DRIVER, path, size);
      checkObjectPath(DRIVER, target);
      const scope = scopeOf(options?.signal);
      const kept = held;
      if (kept === undefined) {
        const session = await need(size, scope);
        return await commitPieces(await sessions.settle(session, scope), target, scope);
      }
      if (kept.target !== target || kept.size !== size) {
        await letGo();
        throw conflict();
      }
      held = undefined;
      await commitHeld(kept, scope);
    },

    release: letGo,
  };
}
