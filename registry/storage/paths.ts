/**
 * The grammar of store paths: `(/[A-Za-z0-9._-]+)+`, as Distribution's drivers have it, without the components `.` and
 * `..`, which Distribution lets through to the operating system.
 */
import { StoreError } from './store.ts';

const PATH = /^(?:\/(?!\.{1,2}(?:\/|$))[A-Za-z0-9._-]+)+$/;
const COMPONENT = /^(?!\.{1,2}$)[A-Za-z0-9._-]+$/;

/** Throws `invalid-path` unless `path` names an object. */
export function checkObjectPath(driver: string, path: string): void {
  if (!PATH.test(path)) throw new StoreError('invalid-path', driver, path);
}

/** As `checkObjectPath`, but `/`, the root, is legal too. */
export function checkPath(driver: string, path: string): void {
  if (path !== '/' && !PATH.test(path)) throw new StoreError('invalid-path', driver, path);
}

/** Whether a key found in a bucket is that of an object. */
export function isPath(path: string): boolean {
  return PATH.test(path);
}

/** Whether a name found in a directory can be part of a store path. */
export function isComponent(name: string): boolean {
  return COMPONENT.test(name);
}

/** The last component. */
export function nameOf(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}
