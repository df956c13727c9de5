import { mkdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { execute } from './execute.ts';
import { cached } from './fetch.ts';
import { type Architecture, inputNamed, type Lock, NODE_PACKAGES } from './inputs.ts';
import { file, type Tree } from './tree.ts';

/**
 * The middle layer: the pinned Node, byte for byte as published, so that it can be held against its project's sums.
 *
 * @param scratch a folder to unpack into; the layer streams from there
 */
export async function nodeLayer(
  lock: Lock,
  architecture: Architecture,
  options: { cache: string; scratch: string; signal: AbortSignal },
): Promise<Tree> {
  const input = inputNamed(lock, NODE_PACKAGES[architecture], architecture);
  const folder = join(options.scratch, `node-${architecture}`);
  await mkdir(folder);
  const members = ['package/bin/node', 'package/LICENSE'];
  await execute('tar', ['-xzf', cached(options.cache, input), '-C', folder, ...members], { signal: options.signal });
  const [binary, license] = members.map((member) => join(folder, member)) as [string, string];
  const at = async (path: string) => ({ path, size: (await stat(path)).size });
  return new Map([
    ['usr/local/bin/node', file(await at(binary), true)],
    ['usr/share/doc/node/LICENSE', file(await at(license))],
  ]);
}
