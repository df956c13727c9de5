import { createHash } from 'node:crypto';
import { copyFile, mkdir, readFile, symlink } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { CommandError, execute } from './execute.ts';
import type { NpmGroup } from './groups.ts';
import type { Recipe } from './recipe.ts';

const here = import.meta.dirname;

/** What pins every package of such a group. */
const FILES = ['package.json', 'package-lock.json'];

/**
 * How an npm group is made: `npm ci` on the lock file beside this one, into the cache and not into the project. No scripts of
 * packages run. The programs are JavaScript, to be run by the Node that runs the tests.
 *
 * @returns the recipe, or the reason why this machine cannot follow it
 */
export async function npmRecipe(group: NpmGroup): Promise<Recipe | { reason: string }> {
  try {
    await execute('npm', ['--version']);
  } catch (error) {
    if (error instanceof CommandError) return { reason: 'npm is not installed' };
    throw error;
  }
  const folder = join(here, group.folder);
  const contents = await Promise.all(FILES.map((file) => readFile(join(folder, file), 'utf8')));
  const hash = createHash('sha256').update(JSON.stringify([contents, group.programs]));
  return {
    hash: hash.digest('hex'),
    async make(target, { signal, note }) {
      for (const file of FILES) await copyFile(join(folder, file), join(target, file));
      note('fetching packages');
      const options = { cwd: target, deadline: 900_000, ...(signal ? { signal } : {}) };
      await execute('npm', ['ci', '--ignore-scripts', '--omit=dev', '--no-audit', '--no-fund'], options);
      const bin = join(target, 'bin');
      await mkdir(bin);
      for (const [program, path] of Object.entries(group.programs)) {
        await symlink(relative(bin, join(target, 'node_modules', path)), join(bin, program));
      }
      const { dependencies } = JSON.parse(contents[0] ?? '{}') as { dependencies: Record<string, string> };
      return dependencies;
    },
  };
}
