/**
 * Where the parts of a session go, and who may send them. Before its first part a writer records the multipart upload and
 * a range of part numbers that are its own: one that took the session over meanwhile, or a slow answer of one that lost
 * it, can never overwrite a part that was acknowledged.
 */
import { DRIVER, type SessionKeys } from './s3-keys.ts';
import { LAST_PART, LEAST_PART, type Multipart, type Multiparts, type Part } from './s3-multipart.ts';
import type { ReadOptions } from './s3-read.ts';
import { type Session, type Sessions, type State, staleOf, uploadsOf } from './s3-session.ts';
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
  /** Uploads that the record still has to name, since they could not be aborted. */
  readonly stale: readonly Multipart[];
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
    if (upload.sealed === true || upload.last < LEAST_PART)
      return await onto(await sealed({ sessions, multiparts }, keys, session, options), upload.size);
    const next = upload.reserved + 1;
    const { object: _, ...others } = session.state;
    const state = { ...others, upload: { ...upload, reserved: last(next, options) } };
    const saved = await sessions.save(keys, session, state, options);
    return { session: saved, ...upload, upload, next, stale: staleOf(session.state) };
  }
  if (object !== undefined) return await onto(session, object.size);
  return await begun(session);

  async function begun(from: Session): Promise<Claim> {
    const begun = await multiparts.begin(keys.bytes(), options);
    const upload = { ...begun, parts: [], size: 0, last: 0, reserved: last(1, options) };
    const { object, tail } = from.state;
    const taken = await replacing({ sessions, multiparts }, keys, from, { object, tail, upload }, begun, options);
    return { ...taken, upload: begun, parts: [], size: 0, next: 1 };
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

/**
 * Records an upload in place of all that the session had under way, which is aborted then. If somebody else has the session,
 * it is the new one that goes.
 */
export async function replacing(
  { sessions, multiparts }: ClaimParts,
  keys: SessionKeys,
  from: Session,
  state: State,
  begun: Multipart,
  options: ReadOptions,
): Promise<Pick<Claim, 'session' | 'stale'>> {
  const { path } = options;
  const replaced = uploadsOf(from.state);
  let session: Session;
  try {
    session = await sessions.save(keys, from, { ...state, stale: replaced }, options);
  } catch (error) {
    await multiparts.abort(begun, { path }).catch(() => {});
    throw error;
  }
  const stale: Multipart[] = [];
  for (const lost of replaced) await multiparts.abort(lost, { path }).catch(() => stale.push(lost));
  return { session: { ...session, state: { ...state, stale } }, stale };
}

/**
 * Makes an object of the session's parts. The record says first that nothing follows them, so of several who would end the
 * session differently one does; whoever finds that record can do the rest. The tail stays a tail.
 */
export async function sealed(
  { sessions, multiparts }: ClaimParts,
  keys: SessionKeys,
  session: Session,
  options: ReadOptions,
): Promise<Session> {
  const { object: _, upload, ...others } = session.state;
  if (upload === undefined) return session;
  const state: State = { ...others, upload: { ...upload, sealed: true } };
  const { etag } = upload.sealed === true ? session : await sessions.save(keys, session, state, options);
  // The key is this upload's alone, and nobody completes it with other parts.
  await multiparts.complete(upload, upload.parts, upload.size, { ...options, isOurs: async () => true });
  const { tail } = others;
  return { etag, state: { object: { key: upload.key, size: upload.size }, tail, stale: staleOf(others) } };
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
  return isTooSmall ? await sealed(parts, keys, session, options) : session;
}

/** The end of the range that begins at a number. */
export function last(first: number, { path }: ReadOptions): number {
  if (first > LAST_PART) {
    const why = `an upload has at most ${LAST_PART} parts; raise storage.s3.chunksize`;
    throw new StoreError('failed', DRIVER, path, new Error(why));
  }
  return Math.min(LAST_PART, first + RANGE - 1);
}
