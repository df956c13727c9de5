import { createHash } from 'node:crypto';
import { mkdir, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { CommandError, execute } from './execute.ts';
import type { DebianGroup } from './groups.ts';
import type { Making, Recipe } from './recipe.ts';

/**
 * How a Debian group is fetched: packages by `apt-get download`, unpacked by `dpkg -x` into the cache. Nothing is
 * installed, no service starts, and no root is needed: apt works on package lists of our own.
 *
 * Its inputs are the names of the packages and the distribution's release. Exact versions cannot be pinned, since a
 * release keeps only its newest; they are recorded beside the programs instead.
 *
 * @returns the recipe, or the reason why this machine cannot follow it
 */
export async function debianRecipe(group: DebianGroup): Promise<Recipe | { reason: string }> {
  let architecture: string;
  try {
    architecture = (await execute('dpkg', ['--print-architecture'])).stdout.trim();
    await execute('apt-get', ['--version']);
  } catch (error) {
    if (error instanceof CommandError) return { reason: 'needs apt-get and dpkg, so Debian or Ubuntu' };
    throw error;
  }
  const release = await readFile('/etc/os-release', 'utf8').catch(() => '');
  const field = (name: string) => new RegExp(`^${name}="?([^"\n]*)`, 'm').exec(release)?.[1] ?? '';
  const inputs = [architecture, field('ID'), field('VERSION_ID'), group.packages, group.programs, group.keep ?? []];
  return {
    hash: createHash('sha256').update(JSON.stringify(inputs)).digest('hex'),
    make: (target, making) => make(group, target, making),
  };
}

async function make(group: DebianGroup, target: string, { signal, note }: Making): Promise<Record<string, string>> {
  const state = join(target, 'apt');
  const debs = join(target, 'debs');
  const root = join(target, 'root');
  const bin = join(target, 'bin');
  for (const folder of [join(state, 'lists/partial'), join(state, 'cache/archives/partial'), debs, root, bin]) {
    await mkdir(folder, { recursive: true });
  }
  const options = {
    deadline: 600_000,
    env: { LC_ALL: 'C', DEBIAN_FRONTEND: 'noninteractive' },
    ...(signal ? { signal } : {}),
  };
  const apt = (args: string[], cwd = target) =>
    execute(
      'apt-get',
      [
        ...['-o', `Dir::State::lists=${state}/lists`],
        ...['-o', `Dir::Cache=${state}/cache`],
        // Root's apt would otherwise fetch as a user who may not enter this folder.
        ...['-o', 'APT::Sandbox::User=root'],
        ...args,
      ],
      { ...options, cwd },
    );

  note('reading the package lists');
  await apt(['-qq', 'update']);
  const plan = await apt(['-s', '-q', '--no-install-recommends', 'install', ...group.packages]);
  // `Inst NAME (VERSION ...)` is a package that is missing here; `Inst NAME [OLD] (NEW ...)` only an upgrade.
  const missing = [...plan.stdout.matchAll(/^Inst (\S+) \(/gm)].map((match) => match[1] ?? '');
  const wanted = [...new Set([...group.packages, ...missing])].sort();
  note(`downloading ${wanted.length} packages`);
  await apt(['-q', 'download', ...wanted], debs);
  const versions: Record<string, string> = {};
  for (const file of (await readdir(debs)).sort()) {
    const deb = join(debs, file);
    await execute('dpkg', ['-x', deb, root], options);
    const fields = (await execute('dpkg-deb', ['--field', deb, 'Package', 'Version'], options)).stdout;
    versions[/^Package: (.*)/m.exec(fields)?.[1] ?? file] = /^Version: (.*)/m.exec(fields)?.[1] ?? '';
  }
  if (group.keep) await keepOnly(root, group.keep);
  for (const [program, path] of Object.entries(group.programs)) await expose(root, path, join(bin, program));
  await rm(state, { recursive: true, force: true });
  await rm(debs, { recursive: true, force: true });
  return versions;
}

/**
 * Makes an unpacked program callable: by a link if it finds all its libraries on the machine, else by a small script that
 * adds the unpacked ones for this program alone and execs it, so that signals and exit codes are the program's own.
 */
async function expose(root: string, path: string, link: string): Promise<void> {
  const program = join(root, path);
  // `ldd` fails on a static program, which needs nothing.
  const libraries = await execute('ldd', [program]).then(
    ({ stdout }) => stdout,
    () => '',
  );
  if (!libraries.includes('not found')) {
    await symlink(relative(dirname(link), program), link);
    return;
  }
  const folders = new Set<string>();
  for (const entry of await readdir(root, { recursive: true, withFileTypes: true })) {
    if (/\.so(\.|$)/.test(entry.name)) folders.add(relative(dirname(link), entry.parentPath));
  }
  const search = [...folders].map((folder) => `$here/${folder}`).join(':');
  const script = [
    '#!/bin/sh',
    'here=$(dirname "$0")',
    `export LD_LIBRARY_PATH="${search}\${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"`,
    `exec "$here/${relative(dirname(link), program)}" "$@"`,
    '',
  ].join('\n');
  await writeFile(link, script, { mode: 0o755 });
}

/** Removes every file of an unpacked tree but the named ones. */
async function keepOnly(root: string, keep: readonly string[]): Promise<void> {
  for (const entry of await readdir(root, { recursive: true, withFileTypes: true })) {
    if (entry.isDirectory()) continue;
    const path = join(entry.parentPath, entry.name);
    if (!keep.includes(relative(root, path))) await rm(path);
  }
}
