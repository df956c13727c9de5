/**
 * Where the parts of a session go, and who may send them. Before its first part a writer records the multipart upload and
 * a range of part numbers that are its own: one that took the session over meanwhile, or a slow answer of one that lost
 * it, can never overwrite a part that was acknowledged.
 */
import { DRIVER, type SessionKeys } from './s3-keys.ts';
import { LAST_PART, LEAST_PART, type Multipart, type Multiparts, type Part } from './s3-multipart.ts';
import type { ReadOptions } from './s3-read.ts';
import { type Session, type Sessions, staleOf } from './s3-session.ts';
import { StoreError } from './store.ts';

/** Part numbers that a writer takes at a time; each time it also records how far it has come. */
const RANGE = 64;

export interface Claim {
  readonly session: Session;
  readonly upload: Multipart;
  /** Parts that the upload has already, and their bytes. */
  readonly parts: readonly Part[];
  readonly size: number;
  /** The first number that is this writer's own. */
  readonly next: number;
}

export interface ClaimParts {
  readonly sessions: Sessions;
  readonly multiparts: Multiparts;
}

/** Begins or goes on with a session's multipart upload. Throws `conflict` if somebody else has the session now. */
export async function claim(
  { sessions, multiparts }: ClaimParts,
  keys: SessionKeys,
  session: Session,
  options: ReadOptions,
): Promise<Claim> {
  const { upload, object } = session.state;
  if (upload !== undefined && upload.parts.length > 0) {
    // Distribution ends a request with whatever it has; nothing can follow a part that is too small.
    if (upload.last < LEAST_PART)
      return await onto(await finished({ sessions, multiparts }, keys, session, options), upload.size);
    const next = upload.reserved + 1;
    const { object: _, ...others } = session.state;
    const state = { ...others, upload: { ...upload, reserved: last(next, options) } };
    return { session: await sessions.save(keys, session, state, options), ...upload, upload, next };
  }
  if (object !== undefined) return await onto(session, object.size);
  return await begun(session);

  async function begun(from: Session): Promise<Claim> {
    const begun = await multiparts.begin(keys.bytes, options);
    const upload = { ...begun, parts: [], size: 0, last: 0, reserved: last(1, options) };
    try {
      const { object, tail } = from.state;
      const saved = await sessions.save(keys, from, { object, tail, stale: staleOf(from.state), upload }, options);
      return { session: saved, upload: begun, parts: [], size: 0, next: 1 };
    } catch (error) {
      await multiparts.abort(begun, { path: options.path }).catch(() => {});
      throw error;
    }
  }

  /** A new upload that begins with the object's bytes, copied by the server. */
  async function onto(from: Session, size: number): Promise<Claim> {
    const source = from.state.object;
    if (source === undefined) return await begun(from);
    const fresh = await begun(from);
    const parts = await multiparts.copyAll(fresh.upload, 1, { key: source.key, size }, options);
    return { ...fresh, parts, size, next: parts.length + 1 };
  }
}

/** The session with its upload's parts as an object. */
async function finished(
  { sessions, multiparts }: ClaimParts,
  keys: SessionKeys,
  session: Session,
  options: ReadOptions,
): Promise<Session> {
  const { upload, tail } = session.state;
  if (upload === undefined) return session;
  await multiparts.complete(upload, upload.parts, upload.size, options);
  const object = { key: upload.key, size: upload.size };
  return await sessions.save(keys, session, { object, tail, stale: staleOf(session.state) }, options);
}

/**
 * Distribution may have left an upload with less than a part in all. Nothing can follow that, and no copy of it makes a part
 * either: it becomes an object, which counts as the beginning of the tail.
 */
export async function settled(
  parts: ClaimParts,
  keys: SessionKeys,
  session: Session,
  options: ReadOptions,
): Promise<Session> {
  const { upload } = session.state;
  const isTooSmall = upload !== undefined && upload.parts.length > 0 && upload.size < LEAST_PART;
  return isTooSmall ? await finished(parts, keys, session, options) : session;
}

/** The end of the range that begins at a number. */
export function last(first: number, { path }: ReadOptions): number {
  if (first > LAST_PART) {
    const why = `an upload has at most ${LAST_PART} parts; raise storage.s3.chunksize`;
    throw new StoreError('failed', DRIVER, path, new Error(why));
  }
  return Math.min(LAST_PART, first + RANGE - 1);
}
