/**
 * Where store paths lie on the disk, and the temporary files beside them. A temporary file is named
 * `<object>.<uuid>.tmp` in the object's own folder, as Distribution 3 names its own: what a crash leaves behind is known
 * by that name, hidden from every reader, and can be swept by whoever looks for it.
 */
import { join, resolve } from 'node:path';
import { checkObjectPath, nameOf } from './paths.ts';
import { StoreError } from './store.ts';

export const DRIVER = 'filesystem';

const TEMPORARY = /\.[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\.tmp$/;
/** `.`, a UUID, `.tmp`. */
const SUFFIX = 41;
/** The longest name that common file systems take. */
const NAME_MAX = 255;

/** Whether a file of that name is, or was meant to be, replaced by a rename. Says nothing about directories. */
export function isTemporary(name: string): boolean {
  return name.endsWith('.tmp') && TEMPORARY.test(name);
}

export interface Names {
  /** The root directory, absolute. */
  readonly root: string;
  /** The place on disk of a checked store path. */
  locate(path: string): string;
  /** As `locate`, for an object that is to be written: a temporary file's name is refused with `invalid-path`. */
  locateTarget(path: string): string;
  /** A name beside `location` that nobody else uses. */
  aside(location: string): string;
  /** The temporary name beside `location` that has this UUID in it. */
  named(location: string, uuid: string): string;
}

export function createNames(rootdirectory: string, randomId: () => string): Names {
  const root = resolve(rootdirectory);
  const prefix = root === '/' ? '' : root;
  const named = (location: string, uuid: string): string =>
    join(location, '..', `${nameOf(location).slice(0, NAME_MAX - SUFFIX)}.${uuid}.tmp`);
  return {
    root,
    locate: (path) => (path === '/' ? root : prefix + path),
    locateTarget(path) {
      checkObjectPath(DRIVER, path);
      if (isTemporary(path)) throw new StoreError('invalid-path', DRIVER, path);
      return prefix + path;
    },
    aside: (location) => named(location, randomId()),
    named,
  };
}
