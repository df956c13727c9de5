import { mkdir, mkdtemp, readdir, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { debFields, openApt } from './debian.ts';
import { digestOfFile } from './digest.ts';
import { ImageError } from './error.ts';
import { execute } from './execute.ts';
import {
  ARCHITECTURES,
  type Architecture,
  DEBIAN_DATA_PACKAGES,
  DEBIAN_PACKAGES,
  type Input,
  type Lock,
  NODE_PACKAGES,
  SUITE,
} from './inputs.ts';

export interface FetchOptions {
  /** Where fetched files are kept, each under its SHA-256. */
  readonly cache: string;
  /** A file of apt sources instead of the machine's own. */
  readonly sources: string | undefined;
  readonly signal: AbortSignal;
  readonly progress: (line: string) => void;
}

/** The path of an input in the cache. */
export function cached(cache: string, input: Input): string {
  return join(cache, `${input.sha256}.${input.type === 'deb' ? 'deb' : 'tgz'}`);
}

/**
 * Sees to it that every locked input is in the cache, fetching what is missing. What is there was checked when it came in.
 *
 * @throws ImageError when a package can no longer be had in the locked version, or is not the locked one
 */
export async function fetchInputs(lock: Lock, options: FetchOptions): Promise<void> {
  const missing: Input[] = [];
  for (const input of lock.inputs) {
    const there = await stat(cached(options.cache, input)).catch(() => undefined);
    if (!there) missing.push(input);
  }
  if (missing.length === 0) return;
  options.progress(`fetching ${missing.map((input) => `${input.name} ${input.version}`).join(', ')}`);
  const got = await download(missing, options).catch((error) => {
    if (!(error instanceof ImageError)) throw error;
    throw new ImageError(
      `${error.message}\nThe image's inputs could not be fetched in their locked versions. If the mirror has dropped one for a newer, ` +
        `run: node image/build.ts --update. If apt on this machine is not set up for Debian ${lock.suite}, name a file of ` +
        'apt sources that is: BERTH_APT_SOURCES=FILE',
    );
  });
  for (const input of missing) {
    const same = got.find((other) => cached(options.cache, other) === cached(options.cache, input));
    if (same) continue;
    throw new ImageError(
      `${input.name} ${input.version} for ${input.architecture} is not the file that image/inputs.lock.json names (sha256 ${input.sha256})`,
    );
  }
}

/** Fetches the newest of Debian's packages and the pinned Node, and gives a new lock. */
export async function updateInputs(node: string, date: string, options: FetchOptions): Promise<Lock> {
  const newest = (type: Input['type'], name: string, architecture: Input['architecture'], version = '') => {
    return { type, name, version, architecture, sha256: '' };
  };
  const wanted = ARCHITECTURES.flatMap((architecture) => [
    newest('npm', NODE_PACKAGES[architecture], architecture, node),
    ...DEBIAN_PACKAGES.map((name) => newest('deb', name, architecture)),
  ]);
  wanted.push(...DEBIAN_DATA_PACKAGES.map((name) => newest('deb', name, 'all')));
  return { date, suite: SUITE, inputs: await download(wanted, options) };
}

/** Downloads inputs into the cache and gives them with the versions and sums they turned out to have. */
async function download(wanted: readonly Input[], options: FetchOptions): Promise<Input[]> {
  await mkdir(options.cache, { recursive: true });
  const folder = await mkdtemp(join(options.cache, '.fetch-'));
  try {
    const got: Input[] = [];
    for (const input of wanted.filter(({ type }) => type === 'npm')) {
      got.push(await downloadNpm(input, join(folder, input.name), options));
    }
    if (!wanted.some(({ type }) => type === 'deb')) return got;
    const apt = await openApt(join(options.cache, 'apt'), options);
    for (const architecture of ARCHITECTURES) {
      const mine = wanted.filter((input) => input.type === 'deb' && belongs(input, architecture));
      if (mine.length === 0) continue;
      const names = mine.map(({ name, version }) => (version ? `${name}=${version}` : name));
      for (const path of await apt.download(names, architecture, join(folder, architecture))) {
        const fields = await debFields(path, options.signal);
        const origin = { name: fields.get('Package'), version: fields.get('Version') };
        const input = { type: 'deb' as const, ...origin, architecture: fields.get('Architecture') as Architecture };
        got.push(await keep(path, input, options.cache));
      }
    }
    return got;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Packages for all architectures are fetched with the first. */
function belongs(input: Input, architecture: Architecture): boolean {
  return input.architecture === architecture || (input.architecture === 'all' && architecture === ARCHITECTURES[0]);
}

/** npm checks the registry's own integrity value as it downloads. */
async function downloadNpm(input: Input, folder: string, options: FetchOptions): Promise<Input> {
  await mkdir(folder);
  const spec = `${input.name}@${input.version}`;
  await execute('npm', ['pack', '--silent', '--pack-destination', folder, spec], {
    signal: options.signal,
    cwd: folder,
    missing: 'npm is not installed on this machine',
  });
  const name = (await readdir(folder)).find((entry) => entry.endsWith('.tgz'));
  if (name === undefined) throw new ImageError(`npm pack ${spec} left no file`);
  return keep(join(folder, name), input, options.cache);
}

async function keep(path: string, input: Omit<Input, 'sha256'>, cache: string): Promise<Input> {
  const sha256 = (await digestOfFile(path)).digest.slice('sha256:'.length);
  const { type, name, version, architecture } = input;
  const kept = { type, name, version, architecture, sha256 };
  await rename(path, cached(cache, kept));
  return kept;
}
