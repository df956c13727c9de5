/**
 * What an upload has, in the bucket: `session.data` lists its pieces, objects below `pieces.data/`. The list is replaced
 * only over the generation that was read, so of two who add to it one is told so. A folder that holds something else is a
 * session without bytes.
 *
 * Distribution keeps of its own uploads, in `data`, the address of a resumable upload and the bytes behind its last full
 * chunk. Such an upload is taken over by finishing it there and making a piece of it; Distribution then finds it no more.
 */
import type { Calls, Scope } from './gcs-calls.ts';
import { DRIVER, storeFailure } from './gcs-errors.ts';
import { SESSION_TYPE } from './gcs-media.ts';
import type { Attributes, GcsObjects } from './gcs-objects.ts';
import type { Piece } from './gcs-pieces.ts';
import { StoreError } from './store.ts';

export interface Session {
  readonly size: number;
  readonly pieces: readonly Piece[];
  /** Of the list; `'0'`: there is none yet. */
  readonly generation: string;
  /** Bytes that somebody else left, to be taken over before anything is done with them. */
  readonly foreign: Attributes | undefined;
}

export interface Sessions {
  /** Below which the session's pieces lie, with a slash. */
  readonly pieces: string;
  find(scope: Scope): Promise<Session | undefined>;
  /** The same session, all of it in pieces of ours. Throws `conflict` if somebody else is at it. */
  settle(session: Session, scope: Scope): Promise<Session>;
  /** `undefined` if somebody else changed it since. */
  save(session: Session, pieces: readonly Piece[], scope: Scope): Promise<Session | undefined>;
  /** `false` if somebody else changed it since. */
  end(session: Session, scope: Scope): Promise<boolean>;
}

export interface SessionParts {
  readonly objects: GcsObjects;
  readonly calls: Calls;
  /** The service's address: only there, and at Google, are uploads finished. */
  readonly url: string;
  /** A fresh UUID. */
  readonly newId: () => string;
}

/** The object that a session's list is in. */
export const sessionOf = (key: string): string => key.replace(/[^/]+$/, (name) => `session.${name}`);

export function createSessions({ objects, calls, url, newId }: SessionParts, key: string): Sessions {
  const state = sessionOf(key);
  const folder = key.slice(0, key.lastIndexOf('/') + 1);
  const pieces = `${folder}pieces.${key.slice(folder.length)}/`;
  const sizeOf = (list: readonly Piece[]): number => list.reduce((sum, piece) => sum + piece.size, 0);

  async function foreignSession(scope: Scope): Promise<Session | undefined> {
    const { found } = await objects.flat({ ...scope, prefix: folder, folded: true });
    const foreign = found.find(({ name }) => name === key);
    if (found.length === 0) return undefined;
    const { size = 0, contentType, metadata } = foreign ?? {};
    const before = contentType === SESSION_TYPE ? Number(metadata?.['Offset'] ?? 0) : 0;
    return { size: size + before, pieces: [], generation: '0', foreign: size + before > 0 ? foreign : undefined };
  }

  /** Distribution's upload as an object at its place: its generation. */
  async function finish({ metadata, generation }: Attributes, total: number, scope: Scope): Promise<string> {
    const tail = await objects.read(key, scope, true);
    if (tail?.generation !== generation) throw new StoreError('conflict', DRIVER, scope.path);
    const address = metadata['Session-URI'] ?? '';
    if (address === '') {
      const made = await objects.replace(key, tail.bytes, scope, generation);
      if (made === undefined) throw new StoreError('conflict', DRIVER, scope.path);
      return made;
    }
    if (!isOurs(address))
      throw storeFailure(scope.path, `an upload of Distribution's leads to a strange host: ${new URL(address).host}`);
    const offset = total - tail.bytes.length;
    const window = tail.bytes.length === 0 ? '*' : `${offset}-${total - 1}`;
    const headers = { 'content-range': `bytes ${window}/${total}`, 'content-type': 'application/octet-stream' };
    const answer = await calls.run({
      ...scope,
      method: 'PUT',
      url: address,
      headers,
      body: tail.bytes,
      answers: [404, 410],
    });
    if (answer.status >= 300) throw new StoreError('not-found', DRIVER, scope.path);
    return (await objects.attributes(key, scope))?.generation ?? '';
  }

  /** Whoever may write into the bucket may write any address there. */
  const isOurs = (address: string): boolean => {
    const { host, hostname } = new URL(address);
    return host === new URL(url).host || hostname.endsWith('.googleapis.com');
  };

  async function save(session: Session, list: readonly Piece[], scope: Scope): Promise<Session | undefined> {
    const content = Buffer.from(JSON.stringify({ pieces: list }));
    const generation = await objects.replace(state, content, scope, session.generation);
    return generation === undefined ? undefined : { size: sizeOf(list), pieces: list, generation, foreign: undefined };
  }

  return {
    pieces,
    save,

    async find(scope) {
      const found = await objects.read(state, scope);
      if (found === undefined) return await foreignSession(scope);
      const list = (JSON.parse(found.bytes.toString()) as { pieces: Piece[] }).pieces;
      return { size: sizeOf(list), pieces: list, generation: found.generation, foreign: undefined };
    },

    async settle(session, scope) {
      const { foreign, size } = session;
      if (foreign === undefined) return session;
      const whole = foreign.contentType === SESSION_TYPE ? await finish(foreign, size, scope) : foreign.generation;
      const piece = await objects.copy(key, `${pieces}${newId()}`, scope, whole);
      const settled = piece && (await save(session, [{ ...piece, size }], scope));
      if (piece === undefined || settled === undefined) throw new StoreError('conflict', DRIVER, scope.path);
      await objects.remove(key, scope, whole);
      if ((await objects.attributes(piece.name, scope))?.size === size) return settled;
      throw storeFailure(scope.path, 'an upload of Distribution’s has another size than it says');
    },

    async end({ generation }, scope) {
      return generation === '0' || (await objects.remove(state, scope, generation));
    },
  };
}
