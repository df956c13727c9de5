import { mkdir, readdir, readFile, rename, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { debianRecipe } from './debian.ts';
import { CommandError } from './execute.ts';
import { goRecipe } from './go.ts';
import { type GroupName, groupNames, groups } from './groups.ts';
import { lock } from './lock.ts';
import { npmRecipe } from './npm.ts';
import type { Recipe } from './recipe.ts';

/** A finished group in the cache. */
export interface Built {
  folder: string;
  /** Where the programs are. */
  bin: string;
  versions: Record<string, string>;
  /** How long it took to make. */
  seconds: number;
}

/** A group that this machine cannot have, and why. */
export interface Unavailable {
  reason: string;
}

/** The folder of all built tools: `BERTH_TOOLS`, or `~/.cache/berth`. */
export function cacheRoot(): string {
  return process.env['BERTH_TOOLS'] || join(homedir(), '.cache', 'berth');
}

/** Looks a group up without building it: what is there, or `undefined`, or why it cannot be had. */
export async function find(name: GroupName): Promise<Built | Unavailable | undefined> {
  const recipe = await recipeOf(name);
  return 'reason' in recipe ? recipe : read(folderOf(name, recipe));
}

/**
 * Gives a group's programs, building them on first use.
 *
 * A build happens in a folder of its own that is renamed when it is complete, so an interrupted one is never taken for a
 * finished one; whoever comes while it runs waits for its result.
 *
 * @param progress receives lines for a person to read
 */
export async function ensure(
  name: GroupName,
  options: { signal?: AbortSignal | undefined; progress: (line: string) => void },
): Promise<Built | Unavailable> {
  const { progress, signal } = options;
  const recipe = await recipeOf(name);
  if ('reason' in recipe) return recipe;
  const folder = folderOf(name, recipe);
  const there = await read(folder);
  if (there) return there;

  const root = cacheRoot();
  await mkdir(root, { recursive: true });
  const waiting = () => progress(`waiting for another build of ${name}`);
  const held = await lock(join(root, `.${name}.lock`), { signal, waiting });
  try {
    const meanwhile = await read(folder);
    if (meanwhile) return meanwhile;
    if (held.held) await removeLeftovers(root, name);
    const partial = join(root, `.partial-${name}-${process.pid}`);
    progress(`building ${name} (${Object.keys(groups[name].programs).join(', ')}): ${groups[name].takes}, once`);
    const begin = performance.now();
    const elapsed = () => Math.round((performance.now() - begin) / 100) / 10;
    const pulse = setInterval(() => progress(`still building ${name}, ${Math.round(elapsed())} s so far`), 60_000);
    try {
      await mkdir(partial);
      const note = (step: string) => progress(`${name}: ${step}`);
      const versions = await recipe.make(partial, { signal, note });
      const record = { group: name, hash: recipe.hash, built: new Date().toISOString(), seconds: elapsed(), versions };
      await writeFile(join(partial, 'built.json'), `${JSON.stringify(record, null, 2)}\n`);
      await rename(partial, folder);
    } catch (error) {
      await rm(partial, { recursive: true, force: true });
      const finished = await read(folder);
      if (finished) return finished;
      if (!(error instanceof CommandError)) throw error;
      return { reason: `building ${name} failed: ${error.message}` };
    } finally {
      clearInterval(pulse);
    }
    progress(`built ${name} in ${elapsed()} s`);
    return (await read(folder)) ?? { reason: `${folder} vanished while it was being used` };
  } finally {
    await held.release();
  }
}

/** Removes every group in the cache that the present sources would not use; gives the folders it removed. */
export async function prune(): Promise<string[]> {
  const root = cacheRoot();
  const wanted = new Set<string>();
  for (const name of groupNames()) {
    const recipe = await recipeOf(name);
    if (!('reason' in recipe)) wanted.add(folderOf(name, recipe));
  }
  const removed: string[] = [];
  for (const entry of await readdir(root, { withFileTypes: true }).catch(() => [])) {
    const folder = join(root, entry.name);
    const ours = await stat(join(folder, 'built.json')).then(
      () => true,
      () => false,
    );
    if (!ours || wanted.has(folder)) continue;
    await rm(folder, { recursive: true });
    removed.push(folder);
  }
  return removed;
}

function recipeOf(name: GroupName): Promise<Recipe | Unavailable> {
  const group = groups[name];
  switch (group.kind) {
    case 'go':
      return goRecipe(group);
    case 'npm':
      return npmRecipe(group);
    default:
      return debianRecipe(group);
  }
}

function folderOf(name: GroupName, recipe: Recipe): string {
  return join(cacheRoot(), `${name}-${recipe.hash.slice(0, 16)}`);
}

async function read(folder: string): Promise<Built | undefined> {
  const record = join(folder, 'built.json');
  try {
    const { versions, seconds } = JSON.parse(await readFile(record, 'utf8')) as Pick<Built, 'versions' | 'seconds'>;
    // Shows a person who tidies up when it was last used. On a cache that is not ours to write it is left as it is.
    await utimes(record, new Date(), new Date()).catch(() => {});
    return { folder, bin: join(folder, 'bin'), versions, seconds };
  } catch {
    return undefined;
  }
}

/** What killed builders left. Only for the holder of the group's lock. */
async function removeLeftovers(root: string, name: GroupName): Promise<void> {
  for (const entry of await readdir(root)) {
    const owner = new RegExp(`^\\.partial-${name}-(\\d+)$`).exec(entry);
    if (owner) await rm(join(root, entry), { recursive: true, force: true });
  }
}
