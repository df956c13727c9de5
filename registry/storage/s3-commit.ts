/** From a session to an object in its place. */
import { type Held, smallObject } from './s3-append.ts';
import { claim, settled } from './s3-claim.ts';
import type { Copies } from './s3-copy.ts';
import type { Deletes } from './s3-delete.ts';
import { DRIVER, type SessionKeys } from './s3-keys.ts';
import type { Multiparts, Part } from './s3-multipart.ts';
import type { ReadOptions } from './s3-read.ts';
import { type Piece, type Session, type Sessions, type State, sizeOf, staleOf, tailSize } from './s3-session.ts';
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
    await multiparts.complete(held.upload, held.upload.parts, held.size, options);
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
    const left = staleOf(session.state).filter(({ id }) => id !== done);
    // Who left a moment ago gets the blob all the same, so the rest is not left half done either.
    const { path } = options;
    await Promise.all(left.map((upload) => multiparts.abort(upload, { path })));
    const { object, tail } = session.state;
    const own = [object?.key, ...keysOf(place.session.state.tail), ...keysOf(tail), session.etag && keys.state];
    const gone = new Set(own.filter((key) => key !== undefined && key !== '' && key !== target));
    await deletes.objects([...gone] as string[], { path });
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

export async function gather(
  tails: Tails,
  tail: readonly Piece[],
  bytes: Buffer,
  options: ReadOptions,
): Promise<Buffer> {
  if (tail.length === 0) return bytes;
  const before = tail.reduce((sum, { size }) => sum + size, 0);
  const whole = Buffer.allocUnsafeSlow(before + bytes.length);
  await tails.fill(whole.subarray(0, before), tail, options);
  whole.set(bytes, before);
  return whole;
}

/**
 * Makes one object of a session that has an object or parts. The record says so before it resolves, so that whoever goes on
 * finds the bytes.
 */
export async function assemble(
  parts: CommitParts,
  { keys, session, held }: CommitPlace,
  options: ReadOptions,
): Promise<{ readonly session: Session; readonly whole: Whole }> {
  const { sessions, multiparts } = parts;
  const { object, upload, tail } = session.state;
  if (held?.upload !== undefined) {
    await multiparts.complete(held.upload, held.upload.parts, held.size, options);
    return await recorded(session, { key: held.upload.key, size: held.size });
  }
  if (tail.length === 0 && object !== undefined && (upload === undefined || upload.parts.length === 0)) {
    return { session, whole: object };
  }
  if (tail.length === 0 && upload !== undefined) {
    await multiparts.complete(upload, upload.parts, upload.size, options);
    return await recorded(session, { key: upload.key, size: upload.size });
  }
  const size = sizeOf(session.state);
  const claimed = await claim({ sessions, multiparts }, keys, session, options);
  const final = await lastPart(parts, claimed.upload, claimed.next, tail, options);
  await multiparts.complete(claimed.upload, [...claimed.parts, final], size, options);
  return await recorded(claimed.session, { key: claimed.upload.key, size });

  async function recorded(before: Session, whole: Whole) {
    const state = { object: whole, tail: [], stale: staleOf(before.state) };
    return { session: await sessions.save(keys, before, state, options), whole };
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

export const sizeHeld = (session: Session, held: Held | undefined): number => held?.size ?? sizeOf(session.state);
export const hasTail = (state: State): boolean => tailSize(state) > 0;
