import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { bundle, PROGRAMS } from './bundle.ts';
import { ImageError } from './error.ts';
import { type BundledPackage, thirdParty } from './third-party.ts';
import { type Entry, file, link, merge, readTree, type Tree } from './tree.ts';

/** Stands for the checkout: launchers, `crds/` and `package.json` are where the sources look for them. */
const HOME = 'usr/local/lib/berth';

/**
 * The top layer, the same for every architecture: the two bundles with their parts and maps, the files that they read, the launchers,
 * and the default configuration.
 *
 * @param root the checkout, with its dependencies installed
 */
export async function berthLayer(
  root: string,
  product: { name: string; version: string },
): Promise<{ tree: Tree; packages: BundledPackage[] }> {
  const bundles = await Promise.all(PROGRAMS.map(async (program) => ({ program, ...(await bundle(root, program)) })));
  const folders = [...new Set(bundles.flatMap(({ packages }) => packages))];
  const { packages, licenses } = await thirdParty(root, folders);
  const layer: Tree = new Map<string, Entry>([
    [`${HOME}/package.json`, file(`${JSON.stringify({ ...product, type: 'module' })}\n`)],
    [`${HOME}/LICENSE`, file(await readFile(join(root, 'LICENSE')))],
    [`${HOME}/THIRD-PARTY-LICENSES`, file(licenses)],
    // Where deployments written for other images of Distribution expect the program and, up to 2.8, the configuration.
    // A mount on either name lands on the real place: runtimes follow links inside the image.
    ['usr/bin/registry', link('../local/bin/registry')],
    ['entrypoint.sh', link('usr/local/bin/registry')],
    ['etc/docker/registry', link('../distribution')],
  ]);
  for (const { program, code, map, parts } of bundles) {
    layer.set(`${HOME}/${program}.mjs`, file(code));
    layer.set(`${HOME}/${program}.mjs.map`, file(map));
    for (const [name, text] of parts) layer.set(`${HOME}/${name}`, file(text));
    layer.set(`usr/local/bin/${program}`, link(`../lib/berth/bin/${program}`));
  }
  const crds = await readTree(join(root, 'crds'), (path) =>
    path.endsWith('.yaml') ? `${HOME}/crds/${path}` : undefined,
  );
  const rootfs = await readTree(join(root, 'image/rootfs'), (path) => (/^etc\/[^/]+$/.test(path) ? undefined : path));
  for (const [path, entry] of rootfs) {
    if (path.startsWith(`${HOME}/bin/`) && entry.kind === 'file') rootfs.set(path, { ...entry, mode: 0o755 });
  }
  const tree = merge(layer, crds, rootfs);
  for (const asset of bundles.flatMap(({ assets }) => assets)) {
    if (!tree.has(join(HOME, asset)))
      throw new ImageError(`a source reads ${asset}, which image/berth-layer.ts leaves out`);
  }
  return { tree, packages };
}
