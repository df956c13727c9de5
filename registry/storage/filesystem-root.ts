/** What can be said of the storage folder before anything is pushed. */
import { access, constants, lstat, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { codeOf, isAbsence } from './filesystem-calls.ts';

const { R_OK, W_OK, X_OK } = constants;

/**
 * Throws a sentence for people if the folder can never work. Resolves with a warning if this user may not do with it, or
 * with one of `folders` in it (paths of the store), all that a registry does; or with `undefined`. A folder that is not
 * there yet is fine where it can be made, with the first push; nothing is made here.
 */
export async function checkRoot(root: string, folders: readonly string[] = []): Promise<string | undefined> {
  const fault = (what: string): Error =>
    new Error(`storage.filesystem.rootdirectory: ${root} ${what}: name a folder, or the place where one may be made`);
  try {
    if (!(await stat(root)).isDirectory()) throw fault('is not a folder');
  } catch (error) {
    if (codeOf(error) === undefined) throw error;
    if (!isAbsence(error) || codeOf(error) === 'ENOTDIR') throw fault(`cannot be used (${codeOf(error)})`);
    if ((await lstat(root).catch(() => undefined)) !== undefined) throw fault('is a link that leads nowhere');
    const parent = await nearest(root);
    if (await may(parent, W_OK | X_OK)) return undefined;
    return `${root} is not there, and ${parent} cannot be written by ${user()}: pushes will fail; make the folder and ${remedy(root)}`;
  }
  if (!(await may(root, R_OK | X_OK)))
    return `${root} cannot be read by ${user()}: pulls and pushes will fail; ${remedy(root)}`;
  if (!(await may(root, W_OK)))
    return `${root} cannot be written by ${user()}: pulls work, pushes will fail; ${remedy(root)}`;
  for (const folder of folders) {
    const path = join(root, folder);
    if (await may(path, R_OK | W_OK | X_OK)) continue;
    const isThere = await stat(path).then(
      (found) => found.isDirectory(),
      (error: unknown) => !isAbsence(error),
    );
    if (isThere)
      return `${path} cannot be read and written by ${user()}: pushes, deletes and maintenance may fail; ${remedy(root)}`;
  }
  return undefined;
}

function may(path: string, mode: number): Promise<boolean> {
  return access(path, mode).then(
    () => true,
    () => false,
  );
}

/** The closest folder above that exists. */
async function nearest(path: string): Promise<string> {
  const parent = dirname(path);
  if (parent === path || (await stat(parent).catch(() => undefined)) !== undefined) return parent;
  return nearest(parent);
}

const user = (): string => `this user (${process.getuid?.() ?? 'unknown'})`;
const remedy = (root: string): string =>
  `give it to this user: chown -R ${process.getuid?.() ?? 'USER'}:${process.getgid?.() ?? 'GROUP'} ${root}`;
