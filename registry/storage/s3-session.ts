/**
 * What an upload session has, as one small object beside it. It is written only over the version that the writer read, so
 * of two that meet one wins. Multipart uploads stand in it before their first part is sent: whoever finds an abandoned
 * session can abort them by key and id.
 *
 * A session's bytes are, in this order: those of an object (assembled before, or by another registry) or of the parts of a
 * multipart upload; and behind them the tail, too few bytes for a part, as small objects or in the record itself.
 *
 * Sessions that Distribution began have no such record: a multipart upload is under way for the session's own key. They
 * are taken over as they are.
 */
import { randomBytes } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import { DRIVER, type SessionKeys } from './s3-keys.ts';
import type { Listings } from './s3-list.ts';
import type { Multipart, Multiparts, Part } from './s3-multipart.ts';
import type { ReadOptions, Reads } from './s3-read.ts';
import type { Writes } from './s3-write.ts';
import { StoreError } from './store.ts';

/** Part of the tail: an object of its own, or a few bytes in base64. */
export type Piece = { readonly key: string; readonly size: number } | { readonly text: string; readonly size: number };

export interface Parts extends Multipart {
  readonly parts: readonly Part[];
  /** Bytes of the parts. */
  readonly size: number;
  /** The last part's bytes: too few, and nothing can follow it. */
  readonly last: number;
  /** No writer before this version sends a part with a higher number. */
  readonly reserved: number;
  /**
   * Nothing follows these parts: whoever finds them may complete the upload, and finds an object if somebody has. Nobody
   * completes one that is not sealed, so who does has the session, and its bytes.
   */
  readonly sealed?: true | undefined;
}

export interface State {
  /** An object that holds the session's first bytes. */
  readonly object?: { readonly key: string; readonly size: number } | undefined;
  readonly upload?: Parts | undefined;
  readonly tail: readonly Piece[];
  /** A multipart upload straight into the place of the commit: its bytes count only when it is committed. */
  readonly direct?: Multipart | undefined;
  /** A copy of the assembled bytes into the place of the commit. */
  readonly copy?: Multipart | undefined;
  /** Uploads of writers that lost the session: of no use, and aborted with it at the latest. */
  readonly stale?: readonly Multipart[] | undefined;
}

export interface Session {
  readonly state: State;
  /** Of the record; `undefined`: there is none yet. */
  readonly etag: string | undefined;
}

export const empty: State = { tail: [] };

export const tailSize = ({ tail }: State): number => tail.reduce((sum, { size }) => sum + size, 0);

/** Bytes of the session. As long as the multipart upload has no part, the object before it counts. */
export function sizeOf(state: State): number {
  const { upload, object } = state;
  return (upload !== undefined && upload.parts.length > 0 ? upload.size : (object?.size ?? 0)) + tailSize(state);
}

/** Uploads that nobody goes on with, unless their writer still has the session. */
export const staleOf = ({ direct, copy, stale = [] }: State): readonly Multipart[] =>
  [direct, copy, ...stale].filter((found) => found !== undefined);

/** Every multipart upload that stands in the record. */
export const uploadsOf = (state: State): readonly Multipart[] =>
  state.upload === undefined ? staleOf(state) : [state.upload, ...staleOf(state)];

/** Keys of every object that the record names, or that may have come of its upload. */
export const objectsOf = ({ object, upload, tail }: State): readonly string[] => [
  ...(object === undefined ? [] : [object.key]),
  ...(upload?.sealed === true ? [upload.key] : []),
  ...tail.flatMap((piece) => ('key' in piece ? [piece.key] : [])),
];

export interface Sessions {
  /** `undefined` if there is no session. */
  load(keys: SessionKeys, options: ReadOptions): Promise<Session | undefined>;
  /** Throws `conflict` if somebody else wrote since `before` was read. */
  save(keys: SessionKeys, before: Session, state: State, options: ReadOptions): Promise<Session>;
  /** Writes a fresh record over whatever is there. */
  begin(keys: SessionKeys, options: ReadOptions): Promise<Session>;
  /** Says that a session was begun here a moment ago without a record, which saves a look for one. */
  noteBegun(keys: SessionKeys): void;
  /** Aborts every multipart upload that the record names. The record stays. */
  abandon(state: State, options: ReadOptions): Promise<void>;
  /** Whether nobody wrote since. */
  isCurrent(keys: SessionKeys, session: Session, options: ReadOptions): Promise<boolean>;
  /** Aborts an upload of a writer that failed, unless the session goes on with it. */
  relinquish(keys: SessionKeys, upload: Multipart, options: ReadOptions): Promise<void>;
  /** The record under that key, if it is one that can be read. */
  recorded(key: string, options: ReadOptions): Promise<State | undefined>;
}

export interface SessionsParts {
  readonly reads: Reads;
  readonly writes: Writes;
  readonly listings: Listings;
  readonly multiparts: Multiparts;
}

/** How many sessions are known to have been begun here. */
const BEGUN = 4096;

export function createSessions({ reads, writes, listings, multiparts }: SessionsParts): Sessions {
  const begun = new LRUCache<string, true>({ max: BEGUN });

  async function stored(keys: SessionKeys, options: ReadOptions): Promise<Session | undefined> {
    const content = await reads.read(keys.state, options);
    return content && { state: parse(content.bytes, options.path), etag: content.etag };
  }

  /** A session without a record: nothing was written yet, or another registry began it. */
  async function unrecorded(keys: SessionKeys, options: ReadOptions): Promise<Session | undefined> {
    const known = begun.has(keys.state);
    const [found, uploads] = await Promise.all([
      listings.folder(keys.folder, options),
      known ? [] : multiparts.underWay(keys.own, options),
    ]);
    if (found.some(({ key }) => key === keys.state)) return await stored(keys, options);
    const foreign = await largest(uploads, options);
    const others = uploads.filter(({ id }) => id !== foreign?.id);
    const stale = others.length > 0 ? { stale: others } : {};
    if (foreign !== undefined) return { state: { upload: foreign, tail: [], ...stale }, etag: undefined };
    const own = found.find(({ key }) => key === keys.own);
    if (own !== undefined) return { state: { object: own, tail: [], ...stale }, etag: undefined };
    return found.length > 0 || uploads.length > 0 ? { state: { tail: [], ...stale }, etag: undefined } : undefined;
  }

  /** Of several for the same key the one that has got furthest; without any part there is nothing to take over. */
  async function largest(uploads: readonly Multipart[], options: ReadOptions): Promise<Parts | undefined> {
    let best: Parts | undefined;
    for (const upload of uploads) {
      const listed = await multiparts.parts(upload, options);
      const size = listed.reduce((sum, part) => sum + part.size, 0);
      const last = listed.at(-1);
      if (last === undefined || size < (best?.size ?? 0)) continue;
      const parts = listed.map(({ number, etag }) => ({ number, etag }));
      best = { ...upload, parts, size, last: last.size, reserved: last.number };
    }
    return best;
  }

  return {
    async load(keys, options) {
      const first = begun.has(keys.state) ? undefined : await stored(keys, options);
      return first ?? (await unrecorded(keys, options));
    },

    async save(keys, before, state, options) {
      const content = serialize(state);
      begun.delete(keys.state);
      const etag = await writes.putOver(keys.state, before.etag, content, options);
      if (etag === undefined) throw new StoreError('conflict', DRIVER, options.path);
      return { state, etag };
    },

    async begin(keys, options) {
      const etag = await writes.put(keys.state, serialize(empty), options);
      return { state: empty, etag };
    },

    noteBegun(keys) {
      begun.set(keys.state, true);
    },

    async abandon(state, options) {
      await Promise.all(uploadsOf(state).map((upload) => multiparts.abort(upload, options)));
    },

    async isCurrent(keys, { etag }, options) {
      return etag !== undefined && (await reads.head(keys.state, options))?.etag === etag;
    },

    async relinquish(keys, upload, options) {
      const now = await stored(keys, options);
      if (now?.state.upload?.id !== upload.id) await multiparts.abort(upload, options);
    },

    async recorded(key, options) {
      const content = await reads.read(key, options);
      try {
        return content && parse(content.bytes, options.path);
      } catch {
        return undefined;
      }
    },
  };
}

/** With something of its own, so that no two writes are alike. */
function serialize(state: State): Buffer {
  const { upload, ...others } = state;
  const packed = upload && { ...upload, parts: upload.parts.map(({ number, etag }) => [number, etag]) };
  const token = randomBytes(12).toString('base64url');
  return Buffer.from(JSON.stringify({ version: 1, token, ...others, ...(packed && { upload: packed }) }));
}

interface Packed extends Omit<State, 'upload'> {
  readonly version: number;
  readonly upload?: Omit<Parts, 'parts'> & { readonly parts: readonly (readonly [number, string])[] };
}

function parse(bytes: Buffer, path: string): State {
  try {
    const { object, tail, direct, copy, stale, upload, version } = JSON.parse(bytes.toString()) as Packed;
    if (version !== 1 || !Array.isArray(tail)) throw new Error('not a record of this version');
    const parts = upload?.parts.map(([number, etag]) => ({ number, etag })) ?? [];
    return { object, tail, direct, copy, stale, upload: upload && { ...upload, parts } };
  } catch (error) {
    const why = new Error(`the record of this upload cannot be read (${(error as Error).message}); cancel the upload`);
    throw new StoreError('failed', DRIVER, path, why);
  }
}
