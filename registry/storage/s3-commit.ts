/** From a session to an object in its place. */
import { type Held, smallObject } from './s3-append.ts';
import { claim, sealed, settled } from './s3-claim.ts';
import type { Copies } from './s3-copy.ts';
import type { Deletes } from './s3-delete.ts';
import { DRIVER, type SessionKeys } from './s3-keys.ts';
import { LAST_PART, LEAST_PART, type Multipart, type Multiparts, type Part } from './s3-multipart.ts';
import type { ReadOptions } from './s3-read.ts';
import {
  objectsOf,
  type Piece,
  type Session,
  type Sessions,
  type State,
  sizeOf,
  staleOf,
  uploadsOf,
} from './s3-session.ts';
import { keysOf, type Tails } from './s3-tail.ts';
import type { Writes } from './s3-write.ts';
import type { Semaphore } from './semaphore.ts';
import { StoreError } from './store.ts';

export interface CommitParts {
  readonly sessions: Sessions;
  readonly multiparts: Multiparts;
  readonly tails: Tails;
  readonly writes: Writes;
  readonly copies: Copies;
  readonly deletes: Deletes;
  /** Bounds how many tails are in memory at once. */
  readonly gathering: Semaphore;
}

export interface CommitPlace {
  readonly keys: SessionKeys;
  readonly session: Session;
  readonly held: Held | undefined;
}

/** Bytes assembled as one object. */
interface Whole {
  readonly key: string;
  readonly size: number;
}

/** Puts a session's bytes at the key `target` and removes what the driver kept of it. */
export async function commit(
  parts: CommitParts,
  place: CommitPlace,
  target: string,
  options: ReadOptions,
): Promise<void> {
  const { held, keys } = place;
  const { sessions, multiparts, copies, deletes } = parts;
  let session = held === undefined ? await settled(parts, keys, place.session, options) : place.session;
  if (held?.direct === true && held.upload !== undefined) {
    if (held.upload.key !== target) throw new StoreError('conflict', DRIVER, options.path);
    const isOurs = () => sessions.isCurrent(keys, session, options);
    // Aborting an upload does not end it while a part is under way: who took the session over may have tried.
    if (!(await isOurs())) throw new StoreError('conflict', DRIVER, options.path);
    await multiparts.complete(held.upload, held.upload.parts, held.size, { ...options, isOurs });
  } else if (held !== undefined ? held.upload === undefined : isSmall(session.state)) {
    await putSmall(parts, held?.tail ?? piecesOf(session.state), held?.bytes ?? Buffer.alloc(0), target, options);
  } else {
    let whole: Whole;
    ({ session, whole } = await assemble(parts, place, options));
    const record = async (copy: { key: string; id: string }): Promise<void> => {
      session = await sessions.save(keys, session, { ...session.state, copy, stale: staleOf(session.state) }, options);
    };
    await copies.copy(whole, target, { ...options, record });
  }
  await remove();

  /** First what only the record knows of, last the record. */
  async function remove(): Promise<void> {
    const done = held?.direct === true ? held.upload?.id : session.state.copy?.id;
    const left = uploadsOf(session.state).filter(({ id }) => id !== done);
    // Who left a moment ago gets the blob all the same, so the rest is not left half done either.
    const { path } = options;
    await Promise.all(left.map((upload) => multiparts.abort(upload, { path })));
    const gone = new Set([...objectsOf(session.state), ...keysOf(place.session.state.tail)]);
    if (session.etag !== undefined) gone.add(keys.state);
    gone.delete(target);
    await deletes.objects([...gone], { path });
  }
}

/** No parts, and no object that could be one. */
const isSmall = (state: State): boolean =>
  (state.object === undefined || smallObject(state) !== undefined) && (state.upload?.parts.length ?? 0) === 0;

function piecesOf(state: State): readonly Piece[] {
  const small = smallObject(state);
  return small === undefined ? state.tail : [small, ...state.tail];
}

/** One put, or one copy when the bytes lie in one object already. */
async function putSmall(
  { copies, tails, writes, gathering }: CommitParts,
  tail: readonly Piece[],
  bytes: Buffer,
  target: string,
  options: ReadOptions,
): Promise<void> {
  const [first] = tail;
  if (first === undefined) return void (await writes.put(target, bytes, options));
  if (tail.length === 1 && bytes.length === 0 && 'key' in first) {
    return await copies.copy(first, target, options).catch((error: unknown) => {
      // Whoever went on with the session or dropped it has deleted the piece.
      throw error instanceof StoreError && error.code === 'not-found'
        ? new StoreError('conflict', DRIVER, options.path)
        : error;
    });
  }
  await gathering.run(async () => {
    const whole = await gather(tails, tail, bytes, options);
    await writes.put(target, whole, options);
  }, options.signal);
}

async function gather(tails: Tails, tail: readonly Piece[], bytes: Buffer, options: ReadOptions): Promise<Buffer> {
  if (tail.length === 0) return bytes;
  const before = tail.reduce((sum, { size }) => sum + size, 0);
  const whole = Buffer.allocUnsafeSlow(before + bytes.length);
  await tails.fill(whole.subarray(0, before), tail, options);
  whole.set(bytes, before);
  return whole;
}

/** Makes one object of a session that has an object or parts, as far as nobody else does. */
export async function assemble(
  parts: CommitParts,
  { keys, session, held }: CommitPlace,
  options: ReadOptions,
): Promise<{ readonly session: Session; readonly whole: Whole }> {
  const { sessions, multiparts } = parts;
  const { object, upload, tail } = session.state;
  if (held?.upload !== undefined) return await ended(session, held.upload, held.upload.parts, held.size);
  if (tail.length === 0 && object !== undefined && (upload === undefined || upload.parts.length === 0)) {
    return { session, whole: object };
  }
  if (tail.length === 0 && upload !== undefined) return wholeOf(await sealed(parts, keys, session, options));
  const size = sizeOf(session.state);
  const claimed = await claim({ sessions, multiparts }, keys, session, options);
  const final = await unlessLost(claimed.upload, () => lastPart(parts, claimed.upload, claimed.next, tail, options));
  return await ended(claimed.session, claimed.upload, [...claimed.parts, final], size);

  /** The session made of these parts alone. */
  async function ended(from: Session, upload: Multipart, all: readonly Part[], size: number) {
    const { key, id } = upload;
    const bulk = { key, id, parts: all, size, last: LEAST_PART, reserved: LAST_PART };
    const state = { tail: [], stale: staleOf(from.state), upload: bulk };
    const done = await unlessLost(upload, () => sealed(parts, keys, { ...from, state }, options));
    return wholeOf(done);
  }

  /** Who took the session over, or dropped it, may not have heard of this upload. */
  async function unlessLost<T>(upload: Multipart, work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      await sessions.relinquish(keys, upload, { path: options.path }).catch(() => {});
      throw error;
    }
  }

  function wholeOf(session: Session) {
    const { object } = session.state;
    if (object === undefined) throw new TypeError('parts without an object');
    return { session, whole: object };
  }
}

/** The tail as the last part: copied by the server when it is one object. */
async function lastPart(
  { multiparts, tails, gathering }: CommitParts,
  upload: { readonly key: string; readonly id: string },
  number: number,
  tail: readonly Piece[],
  options: ReadOptions,
): Promise<Part> {
  const [first] = tail;
  if (tail.length === 1 && first !== undefined && 'key' in first) {
    return await multiparts.copy(upload, number, { key: first.key, start: 0, end: first.size }, options);
  }
  return await gathering.run(async () => {
    const bytes = await gather(tails, tail, Buffer.alloc(0), options);
    return await multiparts.send(upload, number, bytes, options);
  }, options.signal);
}
