import { mkdir, readdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { ImageError } from './error.ts';
import { execute } from './execute.ts';
import type { Architecture } from './inputs.ts';

/** An `apt-get` with package lists of its own for both architectures: the machine's are left as they are, no root needed. */
export interface Apt {
  /**
   * Downloads packages of an architecture into a folder.
   *
   * @param packages as apt names them, `NAME` or `NAME=VERSION`
   */
  download(packages: readonly string[], architecture: Architecture, folder: string): Promise<string[]>;
}

const MISSING =
  "apt-get and dpkg-deb are needed to fetch the image's libraries: build on Debian or Ubuntu, or use the Dockerfile";

/**
 * Prepares apt in a folder and reads the package lists.
 *
 * @param folder apt's state, kept between builds so that lists are only refreshed
 * @param sources a file of apt sources instead of the machine's own
 */
export async function openApt(
  folder: string,
  options: { sources: string | undefined; signal: AbortSignal },
): Promise<Apt> {
  const { signal, sources } = options;
  for (const part of ['lists/partial', 'cache/archives/partial']) {
    await mkdir(join(folder, part), { recursive: true });
  }
  const settings = (architecture: Architecture) => {
    const all = [
      `Dir::State::lists=${folder}/lists`,
      `Dir::Cache=${folder}/cache`,
      // The machine's installed packages play no part, and are of another architecture half of the time.
      'Dir::State::status=/dev/null',
      `APT::Architecture=${architecture}`,
      'APT::Architectures=amd64,arm64',
      // Root's apt would otherwise fetch as a user who may not enter this folder.
      'APT::Sandbox::User=root',
      'Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false',
      ...(sources === undefined ? [] : [`Dir::Etc::sourcelist=${resolve(sources)}`, 'Dir::Etc::sourceparts=/dev/null']),
    ];
    return all.flatMap((setting) => ['-o', setting]);
  };
  await execute('apt-get', [...settings('amd64'), '-qq', 'update'], { signal, missing: MISSING });
  return {
    async download(packages, architecture, target) {
      await mkdir(target, { recursive: true });
      await execute('apt-get', [...settings(architecture), '-q', 'download', ...packages], {
        signal,
        cwd: target,
        missing: MISSING,
      });
      return (await readdir(target)).filter((name) => name.endsWith('.deb')).map((name) => join(target, name));
    },
  };
}

/** Fields of a package's control file. */
export async function debFields(
  deb: string,
  signal: AbortSignal,
): Promise<{ text: string; get(name: string): string }> {
  const text = await execute('dpkg-deb', ['--field', deb], { signal, missing: MISSING });
  return {
    text,
    get(name) {
      const value = new RegExp(`^${name}: (.*)$`, 'm').exec(text)?.[1];
      if (value === undefined) throw new ImageError(`${deb} has no field ${name}`);
      return value;
    },
  };
}

/** Unpacks a package's files into a folder. */
export async function unpackDeb(deb: string, folder: string, signal: AbortSignal): Promise<void> {
  await execute('dpkg-deb', ['--extract', deb, folder], { signal, missing: MISSING });
}
