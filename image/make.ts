import { mkdir, mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { writeArchive } from './archive.ts';
import { baseLayer } from './base-layer.ts';
import { berthLayer } from './berth-layer.ts';
import { digestOfFile } from './digest.ts';
import { type FetchOptions, fetchInputs } from './fetch.ts';
import { ARCHITECTURES, type Architecture, inputsOf, type Lock } from './inputs.ts';
import { writeLayer } from './layer.ts';
import { nodeLayer } from './node-layer.ts';
import { type About, type Image, layoutIndex, OCI_LAYOUT, writeImage, writeIndex } from './oci.ts';
import type { BundledPackage } from './third-party.ts';
import type { Tree } from './tree.ts';

export interface MakeOptions extends FetchOptions {
  /** The checkout, with its dependencies installed. */
  readonly root: string;
  /** Where `image/` and `berth-ARCH.tar` are put. */
  readonly out: string;
  /** Compresses every layer anew instead of taking it from the cache. */
  readonly fresh: boolean;
}

export interface Made {
  /** `localhost/berth:VERSION`. */
  readonly name: string;
  /** The index's digest. */
  readonly digest: string;
  /** Compressed bytes of the layers, by architecture. */
  readonly sizes: ReadonlyMap<Architecture, number>;
}

/** Builds the image for all architectures from its locked inputs and this checkout. */
export async function makeImage(
  product: { name: string; version: string },
  lock: Lock,
  options: MakeOptions,
): Promise<Made> {
  const { root, out, progress, signal } = options;
  const name = `localhost/${product.name}:${product.version}`;
  const time = Date.parse(lock.date) / 1000;
  await fetchInputs(lock, options);
  await mkdir(out, { recursive: true });
  const work = await mkdtemp(join(out, '.image-'));
  try {
    const layout = join(work, 'image');
    const blobs = join(layout, 'blobs/sha256');
    await mkdir(blobs, { recursive: true });
    const write = async (title: string, tree: Tree) => ({
      title,
      ...(await writeLayer(tree, {
        time,
        blobs,
        cache: options.fresh ? undefined : join(options.cache, 'layers'),
        signal,
      })),
    });
    progress('bundling the programs');
    const berth = await berthLayer(root, product);
    const top = await write(`berth: ${product.name} ${product.version}`, berth.tree);
    const packageLock = (await digestOfFile(join(root, 'package-lock.json'))).digest;
    const from = { cache: options.cache, scratch: work, rootfs: join(root, 'image/rootfs'), signal };
    const images: Image[] = [];
    const about = (architecture?: Architecture): About => ({
      version: product.version,
      created: lock.date,
      labels: {
        'org.opencontainers.image.title': product.name,
        'org.opencontainers.image.version': product.version,
        'org.opencontainers.image.licenses': 'Apache-2.0',
        ...(architecture && {
          'dev.berth.inputs': inputsLabel(lock, architecture, berth.packages, packageLock, top.diffId),
        }),
      },
    });
    for (const architecture of ARCHITECTURES) {
      progress(`writing the layers for ${architecture}`);
      const base = await write(`base: Debian ${lock.suite} libraries`, await baseLayer(lock, architecture, from));
      const node = await write('node: as published', await nodeLayer(lock, architecture, from));
      images.push(await writeImage(blobs, architecture, [base, node, top], about(architecture)));
    }
    const index = await writeIndex(blobs, images, about());
    await writeFile(join(layout, 'oci-layout'), OCI_LAYOUT);
    await writeFile(join(layout, 'index.json'), layoutIndex(index, name));
    for (const image of images) {
      const path = join(out, `berth-${image.architecture}.tar`);
      await writeArchive(image, { path, blobs, name, time, signal });
    }
    await rm(join(out, 'image'), { recursive: true, force: true });
    await rename(layout, join(out, 'image'));
    const sizes = images.map((image) => {
      return [image.architecture, image.layers.reduce((total, { size }) => total + size, 0)] as const;
    });
    return { name, digest: index.digest, sizes: new Map(sizes) };
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

/**
 * What an image was made from, as JSON: published packages with the SHA-256 of their files, bundled packages with that of
 * the lock file that holds their sums, and the content of the layer that holds our own code.
 */
function inputsLabel(
  lock: Lock,
  architecture: Architecture,
  bundled: readonly BundledPackage[],
  packageLock: string,
  berth: string,
): string {
  return JSON.stringify({
    inputs: inputsOf(lock, architecture),
    bundled: { packageLock, packages: bundled.map(({ name, version }) => `${name}@${version}`) },
    berth,
  });
}
