/** The driver's name, and the keys of what it keeps beside an upload session. */
import { randomBytes } from 'node:crypto';
import type { ObjectKeys } from './object-keys.ts';
import { nameOf } from './paths.ts';

export const DRIVER = 's3';

/**
 * The keys of a session. None begins with the session's own key: another registry that looks for its own multipart upload
 * by that prefix finds nothing of ours, and none is a prefix of another.
 */
export interface SessionKeys {
  /** The session's path itself, where another registry assembles its bytes. */
  readonly own: string;
  /** The folder that holds all of it, with its slash. */
  readonly folder: string;
  /** What the session has. */
  readonly state: string;
  /** A fresh key where bytes are assembled. No two multipart uploads share one, so none can pass for another. */
  bytes(): string;
  /** A fresh key for bytes that are too few for a part. */
  piece(): string;
}

export function sessionKeys(keys: ObjectKeys, path: string): SessionKeys {
  const own = keys.key(path);
  const name = nameOf(path);
  const folder = own.slice(0, -name.length);
  const fresh = (kind: string): string => `${folder}${kind}.${name}.${randomBytes(8).toString('hex')}`;
  return {
    own,
    folder,
    state: `${folder}session.${name}`,
    bytes: () => fresh('bytes'),
    piece: () => fresh('piece'),
  };
}

/** Whether a key found in a listing is that of a session's state. */
export function isSessionState(key: string): boolean {
  return nameOf(key).startsWith('session.');
}
