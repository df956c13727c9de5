/**
 * The storage contract. It knows nothing of OCI: paths in, bytes out. Every driver obeys the same words, and
 * `test/storage/conformance.ts` runs the same cases on each of them.
 *
 * Paths are absolute and slash-separated: `(/[A-Za-z0-9._-]+)+`. The empty path, a relative one, `//`, a trailing slash
 * (`/` alone names the root and is legal in `stat` and `list` only) are refused with `invalid-path`. Components `.` and
 * `..` are refused too.
 *
 * Absence is a value (`undefined`), never an exception, except where a method has nothing else to say (`move`, `copy`,
 * `begin().…`): there it is a `StoreError` with code `not-found`.
 *
 * Durability: when `put`, `move`, `copy`, `delete` or `commit` has resolved, the effect survives kill -9 and power loss,
 * and no reader has ever seen half of it.
 */
import type { Readable, Writable } from 'node:stream';

/** Passed to everything that touches disk or network. */
export interface Cancellable {
  readonly signal?: AbortSignal | undefined;
}

export interface Stat {
  readonly path: string;
  /** Bytes; 0 for a directory. */
  readonly size: number;
  /** Milliseconds since the epoch. */
  readonly modified: number;
  readonly isDirectory: boolean;
}

/** A window on an object: `start` and `end` are byte offsets, `end` exclusive; absent `end` means to the end. */
export interface ByteRange {
  readonly start: number;
  readonly end?: number | undefined;
}

export interface ListOptions extends Cancellable {
  /** Only names that sort after this one, by bytes. It need not exist. */
  readonly after?: string | undefined;
  /** At most so many names; absent means all. */
  readonly limit?: number | undefined;
  /**
   * The answer may be as old as so many milliseconds: a driver may then skip asking the backend whether a listing that
   * it holds is still current. Default 0: always confirmed.
   */
  readonly maxAgeMs?: number | undefined;
}

export interface Entry {
  /** The child's own name, without any slash. */
  readonly name: string;
  readonly isDirectory: boolean;
}

export interface Page {
  /** Direct children, sorted by the bytes of their names. */
  readonly entries: readonly Entry[];
  /** Whether children exist behind the last entry. */
  readonly more: boolean;
  /**
   * Equal for two listings of the same directory (same `after` and `limit`) exactly when the driver knows that nothing
   * changed in between; `undefined` when it cannot tell, and then nothing derived may be kept.
   */
  readonly version: string | undefined;
}

/** A reader that may know a cheaper way to a socket than through JavaScript's streams. */
export interface ObjectStream extends Readable {
  /**
   * As `pipeline` from `node:stream/promises`, into a target that is done with a chunk when it calls `write`'s callback:
   * a socket or an HTTP response, never a transform.
   */
  readonly sendTo?: (target: Writable) => Promise<void>;
}

export interface RedirectOptions extends Cancellable {
  /** The client's IP address, for URLs that depend on where it is. */
  readonly client?: string | undefined;
}

/** What a commit or a put may do about a target that is already there. */
export interface PutOptions extends Cancellable {
  /**
   * `false`: the bytes need not survive a power loss on their own; a later durable step covers them. For files whose loss
   * costs no more than work done again (upload bookkeeping). They still survive kill -9. Default `true`.
   */
  readonly durable?: boolean | undefined;
}

export interface DeleteOptions extends PutOptions {
  /**
   * Upload sessions lie at or below the path: bytes that a backend keeps of them out of sight (multipart uploads of other
   * programs) are given up too. Those of this driver are always given up.
   */
  readonly uploads?: boolean | undefined;
}

export interface BeginOptions extends Cancellable {
  /**
   * A small object in the session's folder, written with the session and not after it. The caller has made up the folder,
   * so nothing lies there yet. A driver may take it for the session as long as no byte has come; so the session is gone
   * when the folder is.
   */
  readonly beside?: Put | undefined;
}

export interface WalkOptions extends Cancellable {
  /** Only paths that sort after this text, by bytes. It need not be a path: `/a/b0` skips all below `/a/b`. */
  readonly after?: string | undefined;
  /** At most so many objects; absent means as many as one request to the backend gives. */
  readonly limit?: number | undefined;
}

export interface WalkPage {
  /** Objects at any depth, sorted by the bytes of their whole paths; never directories. */
  readonly objects: readonly Stat[];
  /** Whether objects exist behind the last one. */
  readonly more: boolean;
}

/** One file of an atomic group, see `Store.putAll`. */
export interface Put {
  readonly path: string;
  readonly content: Buffer;
  /** Appears only once all others of the group, those without this mark, are durable: what points to them. */
  readonly last?: boolean | undefined;
}

/**
 * An upload session: a growing object at `path` that readers of the final place never see.
 * The session lives in the store: another process that shares it can `resume` it.
 *
 * One piece at a time is written, whichever processes send them: of two that meet, one fails with `conflict` and leaves no
 * trace. So bytes once stored never change, and after a commit nobody writes into the committed object.
 */
export interface Upload {
  readonly path: string;
  /** Bytes stored so far. Costs one look at the store. `undefined` when the session is gone. */
  size(options?: Cancellable): Promise<number | undefined>;
  /**
   * Writes the stream at `offset`, which must be the stored size, else `conflict`. Resolves with the new size. If the
   * source fails or the signal fires, the bytes that arrived stay (they are a prefix of what the client meant) and the
   * error is thrown. `onChunk` sees every chunk before it is written, in order, so that digests cost no second pass; the
   * chunk's memory is reused afterwards.
   */
  append(offset: number, source: AsyncIterable<Uint8Array>, options?: AppendOptions): Promise<number>;
  /** A reader of the bytes stored so far, for digests that were not kept while writing. */
  open(range?: ByteRange, options?: Cancellable): Promise<Readable | undefined>;
  /**
   * Moves the session's bytes, which must be `size` many, else `conflict`, to `target` (replacing what is there), durably.
   * The session is then gone.
   */
  commit(target: string, size: number, options?: Cancellable): Promise<void>;
  /**
   * Lets go of what an `append` with `last` left in this object's hands. To be called when no commit followed, harmless
   * otherwise. Absent where nothing is held.
   */
  release?(): Promise<void>;
}

export interface AppendOptions extends Cancellable {
  readonly onChunk?: ((chunk: Uint8Array) => void) | undefined;
  /** Bytes that have to come. When others do, they are taken back and `invalid-length` is thrown. */
  readonly length?: number | undefined;
  /**
   * If the session then has at least so many bytes, they reach the device before it resolves, so that a record made about
   * them can be believed after a power loss. Absent: they need not.
   */
  readonly flushFrom?: number | undefined;
  /**
   * The same `Upload` will commit next, or nobody: a driver may keep what it holds. If nobody does, a driver may leave the
   * session as it was before this piece.
   */
  readonly last?: boolean | undefined;
  /**
   * With `last` and at offset 0: where the session will be committed if its bytes turn out right. A driver may assemble them
   * at that place, unseen until `commit`, and so save a copy. A `commit` that names another place may fail with `conflict`.
   */
  readonly target?: string | undefined;
}

export interface Store {
  /** The driver's name as Distribution spells it: `filesystem`, `inmemory`, `s3`, … */
  readonly name: string;

  /**
   * Sessions begun here can be continued by this driver alone: another registry on the same backend would look for their
   * bytes elsewhere, and has to find no session at all.
   */
  readonly ownSessions?: true | undefined;

  stat(path: string, options?: Cancellable): Promise<Stat | undefined>;

  /**
   * The whole of a small object (links, bookkeeping: at most 64 KiB is expected; larger ones work but are not kept).
   * A driver may keep contents, but confirms on every call that they are still current, so that a change made by any
   * process is seen at once. `undefined` if it is absent or a directory. The buffer is shared: do not write into it.
   */
  read(path: string, options?: Cancellable): Promise<Buffer | undefined>;

  /**
   * A stream of the object's bytes. A range that begins at or behind the end gives an empty stream; a negative or
   * fractional start is `invalid-offset`. `undefined` if absent.
   */
  open(path: string, range?: ByteRange, options?: Cancellable): Promise<ObjectStream | undefined>;

  /** Writes the whole object, atomically: a reader sees the old bytes or the new ones. */
  put(path: string, content: Buffer, options?: PutOptions): Promise<void>;

  /**
   * `put` for several objects. Each is atomic, the group is not: after a crash any subset may be there, but those marked
   * `last` only with all the others. All are durable when it resolves. Cheaper than single puts, since waits for the device are shared.
   */
  putAll(puts: readonly Put[], options?: PutOptions): Promise<void>;

  /**
   * Replaces a small object only if its content is `expected` (`undefined`: only if it is absent), durably. Of those who
   * try it at the same time, in any process, at most one is told `true`; `false` means that the content is, or is just
   * becoming, another one. Leases are built on this, so contents should tell their writers apart.
   */
  swap(path: string, expected: Buffer | undefined, content: Buffer, options?: Cancellable): Promise<boolean>;

  /**
   * Direct children of a directory. `undefined` if it does not exist (for object stores: if nothing lies below it).
   * `/` always exists. Names that are not legal path components, and a driver's own temporary files, are left out.
   */
  list(path: string, options?: ListOptions): Promise<Page | undefined>;

  /**
   * Everything below a directory, page by page, in the order of whole paths. Only drivers have it for which it is cheaper
   * than listing folder by folder: object stores. Backends' own placeholders for folders are left out.
   */
  walk?(path: string, options?: WalkOptions): Promise<WalkPage>;

  /** Replaces `target` by `source`. `not-found` if the source is absent; then the target is untouched. */
  move(source: string, target: string, options?: Cancellable): Promise<void>;
  copy(source: string, target: string, options?: Cancellable): Promise<void>;

  /**
   * Deletes an object, or a directory with all below it; `/a` never touches `/ab`. `false` if nothing was there. Without
   * `durable`, what was deleted may come back after a power loss.
   */
  delete(path: string, options?: DeleteOptions): Promise<boolean>;

  /** A URL at which a client can fetch the object itself; `undefined` where the driver has none. */
  redirectUrl(path: string, method: 'GET' | 'HEAD', options?: RedirectOptions): Promise<string | undefined>;

  /** Begins a session at `path` (an existing object there is replaced by an empty one). Survives kill -9, not power loss. */
  beginUpload(path: string, options?: BeginOptions): Promise<Upload>;
  /** The session at `path`, without looking whether it is there: `size` tells. */
  resumeUpload(path: string): Upload;

  /** Releases handles. Nothing may be called afterwards. */
  close(): Promise<void>;
}

export type StoreErrorCode =
  | 'not-found'
  | 'invalid-path'
  | 'invalid-offset'
  | 'invalid-length'
  | 'conflict'
  | 'no-space'
  | 'unsupported'
  | 'failed';

/** The one error of this room. `cause` keeps the system's or the SDK's own. */
export class StoreError extends Error {
  override readonly name = 'StoreError';
  readonly code: StoreErrorCode;
  readonly driver: string;
  readonly path: string;

  constructor(code: StoreErrorCode, driver: string, path: string, cause?: unknown) {
    const why = cause instanceof Error ? `: ${cause.message}` : '';
    super(`${driver}: ${code.replace('-', ' ')}: ${path}${why}`, cause === undefined ? undefined : { cause });
    this.code = code;
    this.driver = driver;
    this.path = path;
  }
}
