/** What can be said of the storage folder before anything is pushed. */
import { access, constants, lstat, stat } from 'node:fs/promises';
import { codeOf, isAbsence } from './filesystem-calls.ts';

/**
 * Throws a sentence for people if the folder can never work. Resolves with a warning if it can only be read, or
 * `undefined`. A folder that is not there yet is fine: it is made with the first push.
 */
export async function checkRoot(root: string): Promise<string | undefined> {
  const fault = (what: string): Error =>
    new Error(`storage.filesystem.rootdirectory: ${root} ${what}: name a folder, or the place where one may be made`);
  try {
    if (!(await stat(root)).isDirectory()) throw fault('is not a folder');
  } catch (error) {
    if (codeOf(error) === undefined) throw error;
    if (!isAbsence(error) || codeOf(error) === 'ENOTDIR') throw fault(`cannot be used (${codeOf(error)})`);
    if ((await lstat(root).catch(() => undefined)) !== undefined) throw fault('is a link that leads nowhere');
    return undefined;
  }
  const writable = await access(root, constants.W_OK).then(
    () => true,
    () => false,
  );
  return writable ? undefined : `${root} cannot be written by this user: pulls work, pushes will fail`;
}
