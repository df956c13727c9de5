import { createWriteStream } from 'node:fs';
import { rename, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { type Image, layoutIndex, OCI_LAYOUT } from './oci.ts';
import { tar } from './tar.ts';
import { file, type Tree } from './tree.ts';

/**
 * Writes one architecture as a single file that `ctr images import`, `podman load` and `docker load` take alike: an OCI
 * layout, with the `manifest.json` of `docker save` beside it that names the same blobs.
 *
 * @param blobs the folder of blobs the image was written to
 * @param name the image's full name with its tag
 */
export async function writeArchive(
  image: Image,
  options: { path: string; blobs: string; name: string; time: number; signal: AbortSignal },
): Promise<void> {
  const { path, blobs, name, time, signal } = options;
  const place = (digest: string) => `blobs/${digest.replace(':', '/')}`;
  const dockerManifest = [
    { Config: place(image.config.digest), RepoTags: [name], Layers: image.layers.map(({ digest }) => place(digest)) },
  ];
  const tree: Tree = new Map([
    ['oci-layout', file(OCI_LAYOUT)],
    ['index.json', file(layoutIndex(image.manifest, name))],
    ['manifest.json', file(JSON.stringify(dockerManifest))],
  ]);
  for (const { digest } of [image.manifest, image.config, ...image.layers]) {
    const blob = join(blobs, digest.slice('sha256:'.length));
    tree.set(place(digest), file({ path: blob, size: (await stat(blob)).size }));
  }
  await pipeline(tar(tree, time), createWriteStream(`${path}.new`), { signal });
  await rename(`${path}.new`, path);
}
