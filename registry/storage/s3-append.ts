/** One piece of an upload: from the client's stream into parts, a tail and the session's record. */
import { type Claim, claim, last, replacing, settled } from './s3-claim.ts';
import type { Deletes } from './s3-delete.ts';
import { DRIVER, type SessionKeys } from './s3-keys.ts';
import type { PartMemory } from './s3-memory.ts';
import { LEAST_PART, type Multipart, type Multiparts, type Part } from './s3-multipart.ts';
import type { ReadOptions } from './s3-read.ts';
import { createSender, type Sender } from './s3-sender.ts';
import { empty, type Piece, type Session, type Sessions, type State, sizeOf } from './s3-session.ts';
import { keysOf, type Tails } from './s3-tail.ts';
import { leavable } from './source.ts';
import { type AppendOptions, StoreError } from './store.ts';

export interface AppendParts {
  readonly sessions: Sessions;
  readonly multiparts: Multiparts;
  readonly tails: Tails;
  readonly deletes: Deletes;
  readonly memory: PartMemory;
  /** Bytes of a part. */
  readonly chunk: number;
}

/** What a last piece left in this process's hands. */
export interface Held {
  readonly session: Session;
  /** Bytes of the whole session. */
  readonly size: number;
  /** All parts, if there are any; then nothing else. */
  readonly upload: (Multipart & { readonly parts: readonly Part[]; readonly size: number }) | undefined;
  /** Whether the upload is one into the place of the commit. */
  readonly direct: boolean;
  /** Without an upload: what comes first, and what came last. */
  readonly tail: readonly Piece[];
  readonly bytes: Buffer;
  /** Gives the memory back. */
  end(): Promise<void>;
}

export interface Appended {
  readonly session: Session;
  readonly held: Held | undefined;
}

export interface AppendPlace {
  readonly path: string;
  readonly keys: SessionKeys;
  readonly session: Session;
  /** The key of the commit's target, if the bytes may be assembled there. */
  readonly direct: string | undefined;
}

/** Milliseconds that what has arrived may still take to be stored when its client has left. */
const AFTERWARDS = 30_000;

export async function append(
  parts: AppendParts,
  place: AppendPlace,
  source: AsyncIterable<Uint8Array>,
  options: AppendOptions,
): Promise<Appended> {
  const { sessions, multiparts, tails, deletes, memory, chunk } = parts;
  const { path, keys, direct } = place;
  const { signal, length, onChunk } = options;
  const isLast = options.last === true;
  let session = await settled({ sessions, multiparts }, keys, place.session, { path, signal });
  const before = session.state;
  const offset = sizeOf(before);
  /** An object too small for a part comes first, as part of the tail. */
  const small = smallObject(before);
  const first: readonly Piece[] = small === undefined ? before.tail : [small, ...before.tail];
  const own: string[] = [];
  let claimed: Claim | undefined;
  let next = 1;
  let reserved = 0;
  let arrived = 0;

  const sender: Sender = createSender({
    chunk,
    memory,
    tail: first,
    signal,
    number,
    send: (at, bytes, stop) => multiparts.send(need(claimed).upload, at, bytes, { path, signal: stop }),
    fill: (target, tail, stop) => tails.fill(target, tail, { path, signal: stop }),
    store: async (bytes) => noted(await tails.store(keys, bytes, { path })),
  });

  function noted(piece: Piece): Piece {
    if ('key' in piece) own.push(piece.key);
    return piece;
  }

  async function number(): Promise<number> {
    if (claimed === undefined) {
      claimed = direct === undefined ? await begin() : await beginDirect(direct);
      ({ session, next } = claimed);
      reserved = direct === undefined ? last(next, { path }) : Number.POSITIVE_INFINITY;
    }
    if (next > reserved) {
      const end = last(next, { path });
      session = await sessions.save(keys, session, stateNow(claimed, sender.sent(), end), { path, signal });
      reserved = end;
    }
    if (direct !== undefined) last(next, { path });
    return next++;
  }

  const begin = (): Promise<Claim> => {
    const from = small === undefined ? session : { ...session, state: { ...before, object: undefined, tail: first } };
    return claim({ sessions, multiparts }, keys, from, { path, signal });
  };

  async function beginDirect(key: string): Promise<Claim> {
    const upload = await multiparts.begin(key, { path, signal });
    const state = { tail: [], direct: upload };
    const taken = await replacing({ sessions, multiparts }, keys, session, state, upload, { path, signal });
    return { ...taken, upload, parts: [], size: 0, next: 1 };
  }

  /** The session with so many of the new parts; the tail from before is in the first of them. */
  function stateNow(
    { upload, parts, size, stale }: Claim,
    sent: readonly { size: number; number: number; etag: string }[],
    end: number,
  ): State {
    const all = [...parts, ...sent.map(({ number, etag }) => ({ number, etag }))];
    const bytes = size + sent.reduce((sum, part) => sum + part.size, 0);
    const tail = sent.length > 0 ? [] : first;
    return {
      tail,
      stale,
      upload: { ...upload, parts: all, size: bytes, last: sent.at(-1)?.size ?? LEAST_PART, reserved: end },
    };
  }

  /** Takes the whole source. Throws what it, `onChunk` or the signal throws, or what the store does. */
  async function pour(): Promise<void> {
    for await (const bytes of leavable(source, signal)) {
      onChunk?.(bytes);
      arrived += bytes.length;
      if (length !== undefined && arrived > length) break;
      await sender.add(bytes);
    }
    if (length !== undefined && arrived !== length) throw new StoreError('invalid-length', DRIVER, path);
  }

  /** Records what has arrived. */
  async function record(end: ReadOptions, whole: boolean): Promise<Session> {
    const sent = sender.sent();
    let tail = sent.length > 0 ? [] : first;
    if (whole) {
      const rest = await sender.rest();
      tail = [...(await tails.append(keys, rest.tail, rest.bytes, end))];
      for (const piece of tail.slice(rest.tail.length)) noted(piece);
    }
    const base: State = small === undefined ? before : { ...before, object: undefined };
    const state = claimed === undefined ? { ...base, tail } : { ...stateNow(claimed, sent, next - 1), tail };
    if (claimed === undefined && tail === first) return session;
    const saved = await sessions.save(keys, session, state, end);
    await forget([...keysOf(first), ...own], keysOf(tail));
    return saved;
  }

  /** Deletes pieces that are in parts now, or of no use. What stays behind goes with the session. */
  async function forget(pieces: readonly string[], kept: readonly string[]): Promise<void> {
    const gone = pieces.filter((key) => !kept.includes(key));
    if (gone.length > 0) await deletes.objects(gone, { path }).catch(() => {});
  }

  /** Leaves the session, which is another's or gone, without a trace. */
  async function leave(): Promise<void> {
    await sender.close();
    await forget(own, []);
    if (claimed !== undefined) await sessions.relinquish(keys, claimed.upload, { path });
  }

  /** After a failure: what arrived stays, unless the session is another's now or the piece is not to be kept. */
  async function salvage(error: unknown): Promise<void> {
    if (isLost(error)) return await leave();
    const late = AbortSignal.timeout(AFTERWARDS);
    const end = { path, signal: late };
    const takenBack = error instanceof StoreError && error.code === 'invalid-length';
    if (direct === undefined && !takenBack) {
      const whole = await within(sender.settle(), late).then(
        () => true,
        () => false,
      );
      return void (await record(end, whole).catch(async (failure: unknown) => {
        if (isLost(failure)) await leave();
      }));
    }
    await sender.close();
    if (direct !== undefined && claimed !== undefined) await multiparts.abort(claimed.upload, end);
    if (claimed !== undefined) session = await sessions.save(keys, session, undone(claimed), end);
    await forget(own, []);
  }

  /** As before this piece. Copies of a former object are parts now, so it is not needed any more. */
  function undone(by: Claim): State {
    return direct !== undefined ? { ...empty, stale: by.stale } : stateNow(by, [], next - 1);
  }

  /** `undefined`: the piece was empty, and the record says all. */
  async function hold(): Promise<Held | undefined> {
    const hasBulk = before.object !== small || (before.upload?.parts.length ?? 0) > 0;
    if (claimed !== undefined || hasBulk) {
      await sender.finish();
      const sent = sender.sent();
      await sender.close();
      if (claimed === undefined) return undefined;
      const size = offset + arrived;
      const upload = { ...claimed.upload, parts: [...claimed.parts, ...sent], size };
      const nothing = { tail: [], bytes: Buffer.alloc(0) };
      return { session, size, upload, direct: direct !== undefined, ...nothing, end: () => forget(own, []) };
    }
    const { tail, bytes } = await sender.rest();
    const end = async (): Promise<void> => {
      await sender.close();
      await forget(own, []);
    };
    return { session, size: offset + arrived, upload: undefined, direct: false, tail, bytes, end };
  }

  try {
    await pour();
    if (isLast) {
      const held = await hold();
      return { session: held?.session ?? session, held };
    }
    await sender.settle();
    const saved = await record({ path }, true);
    await sender.close();
    return { session: saved, held: undefined };
  } catch (error) {
    // That matters less than what went wrong.
    await salvage(error).catch(() => {});
    await sender.close();
    throw error;
  }
}

/** An object that is too small to be a part, if the session begins with one. */
export function smallObject({ object, upload }: State): Piece | undefined {
  const counts = object !== undefined && (upload === undefined || upload.parts.length === 0);
  return counts && object.size < LEAST_PART ? object : undefined;
}

/** Whether somebody else has the session, or dropped it. */
const isLost = (error: unknown): boolean =>
  error instanceof StoreError && (error.code === 'conflict' || error.code === 'not-found');

function need<T>(value: T | undefined): T {
  if (value === undefined) throw new TypeError('no part without an upload');
  return value;
}

function within<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return Promise.race([
    work,
    new Promise<never>((_, reject) => signal.addEventListener('abort', () => reject(signal.reason), { once: true })),
  ]);
}
