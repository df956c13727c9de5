import { createHash } from 'node:crypto';
import { mkdir, readdir, readFile, rename } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { basename, join } from 'node:path';
import { CommandError, execute } from './execute.ts';
import type { GoGroup } from './groups.ts';
import type { Recipe } from './recipe.ts';

const here = import.meta.dirname;

/** No cgo: the programs then need nothing of the machine but its kernel. The module folders are part of no repository. */
const environment = { CGO_ENABLED: '0', GOFLAGS: '-trimpath -buildvcs=false', GOWORK: 'off' };

/**
 * How a Go group is built: its inputs are the module folder's files, the Go version and the flags.
 *
 * @returns the recipe, or the reason why this machine cannot build it
 */
export async function goRecipe(group: GoGroup): Promise<Recipe | { reason: string }> {
  const folder = join(here, group.module);
  let toolchain: string;
  try {
    // Asked inside the module: a Go that can fetch newer toolchains answers with the one that it will really use.
    const answer = await execute('go', ['env', 'GOVERSION', 'GOOS', 'GOARCH'], { cwd: folder, env: environment });
    toolchain = answer.stdout.trim().split('\n').join(' ');
  } catch (error) {
    if (!(error instanceof CommandError)) throw error;
    if (error.notFound) return { reason: 'Go is not installed (1.26.8 or newer is needed; see https://go.dev/dl)' };
    return { reason: `this Go cannot build test/tools/${group.module}: ${error.message}` };
  }
  const files = (await readdir(folder)).sort();
  const contents = await Promise.all(files.map((file) => readFile(join(folder, file), 'utf8')));
  const goMod = contents[files.indexOf('go.mod')] ?? '';
  const flags = goFlags(group, goMod);
  const hash = createHash('sha256');
  files.forEach((file, index) => {
    hash.update(`${file}\0${contents[index]}\0`);
  });
  hash.update(JSON.stringify([toolchain, environment, flags, group.programs]));

  return {
    hash: hash.digest('hex'),
    async make(target, { signal, note }) {
      const bin = join(target, 'bin');
      await mkdir(bin, { recursive: true });
      const options = { cwd: folder, env: environment, deadline: 3_600_000, ...(signal ? { signal } : {}) };
      note(`downloading and compiling with ${toolchain} on ${availableParallelism()} cores`);
      await execute('go', ['build', '-o', `${bin}/`, ...flags, ...Object.values(group.programs)], options);
      for (const [program, target] of Object.entries(group.programs)) {
        const built = defaultName(target);
        if (built !== program) await rename(join(bin, built), join(bin, program));
      }
      return Object.fromEntries(
        Object.entries(group.programs).map(([program, target]) => [program, packageVersion(goMod, target)]),
      );
    },
  };
}

/** The flags of `go build`, without the packages. */
function goFlags(group: GoGroup, goMod: string): string[] {
  const version = (module: string) => pinnedVersion(goMod, module) ?? fail(`${group.module}/go.mod lacks ${module}`);
  const flags = ['-ldflags', ['-s -w', ...(group.ldflags?.(version) ?? [])].join(' ')];
  return group.tags ? ['-tags', group.tags.join(','), ...flags] : flags;
}

/** The version that a `go.mod` requires of a module, not that of a replacement. */
function pinnedVersion(goMod: string, module: string): string | undefined {
  for (const line of goMod.split('\n')) {
    const [name, version] = line
      .trim()
      .replace(/^require\s+/, '')
      .split(/\s+/);
    if (name === module && version?.startsWith('v') && !line.includes('=>')) return version;
  }
  return undefined;
}

/** The version of the module that holds a package: that of the longest prefix of its path which `go.mod` names. */
function packageVersion(goMod: string, target: string): string {
  for (let module = target; module.includes('/'); module = module.slice(0, module.lastIndexOf('/'))) {
    const version = pinnedVersion(goMod, module);
    if (version) return version;
  }
  // A main package of our own, as CoreDNS's: the module that it is about comes first in its go.mod.
  return /^require (\S+ v\S+)/m.exec(goMod)?.[1] ?? 'unversioned';
}

/** The file name that `go build -o FOLDER/` gives a main package: its last element, not counting a major version. */
function defaultName(target: string): string {
  return basename(target.replace(/\/v\d+$/, ''));
}

function fail(message: string): never {
  throw new Error(message);
}
