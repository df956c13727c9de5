import assert from 'node:assert/strict';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { NodeCluster } from '../support/node-handle.ts';
import { writeBusyboxArchive } from '../support/node-image.ts';
import { createPushClient } from '../support/push-client.ts';
import { execute } from '../tools/execute.ts';

/** An image as it was made, before any registry saw it. */
export interface TestImage {
  /** What its file `/www/word` holds. */
  readonly word: string;
  /** An OCI archive, and the same as a folder. */
  readonly archive: string;
  readonly layout: string;
  readonly digest: string;
}

interface Manifest {
  readonly config: { readonly digest: string };
  readonly layers: readonly { readonly digest: string }[];
}

/** Images of the test's own, and a memory of what was pushed where. */
export interface TestImages {
  /** The image with this word in it, like no other; made when it is first asked for. */
  image(word: string): Promise<TestImage>;
  /** By crane on this machine, to `127.0.0.1:PORT`. */
  pushWithCrane(image: TestImage, address: string, repository: string): Promise<void>;
  /** By skopeo inside the node, to any address that the node reaches. */
  pushWithSkopeo(image: TestImage, address: string, repository: string): Promise<void>;
  /** Remembers the manifest of an image as pushed: `assertAllThere` asks for it from now on. */
  remember(repository: string, tag: string, manifest: Buffer): void;
  /** Every image that was pushed comes back: the same bytes for its manifest, those of their digests for its blobs. */
  assertAllThere(address: string): Promise<void>;
}

/** @param paths absolute paths of the programs */
export function createTestImages(node: NodeCluster, paths: Record<'busybox' | 'crane' | 'skopeo', string>): TestImages {
  const pushed: Array<{ repository: string; tag: string; manifest: Buffer }> = [];
  const made = new Map<string, Promise<TestImage>>();
  const policy = join(node.folder, 'policy.json');
  /** Whoever runs the test may have logins and settings of their own. */
  const env = { HOME: node.folder, DOCKER_CONFIG: node.folder };

  async function make(word: string): Promise<TestImage> {
    const archive = join(node.folder, `image-${word}.tar`);
    const layout = join(node.folder, `image-${word}`);
    await writeBusyboxArchive({ file: archive, name: `made/${word}:1`, busybox: paths.busybox }, { 'www/word': word });
    await mkdir(layout);
    await execute('tar', ['-xf', archive, '-C', layout]);
    const index = JSON.parse(await readFile(join(layout, 'index.json'), 'utf8')) as { manifests: [{ digest: string }] };
    return { word, archive, layout, digest: index.manifests[0].digest };
  }

  async function remember(image: TestImage, repository: string): Promise<void> {
    const manifest = await readFile(join(image.layout, 'blobs', image.digest.replace(':', '/')));
    pushed.push({ repository, tag: image.word, manifest });
  }

  return {
    image(word) {
      const image = made.get(word) ?? make(word);
      made.set(word, image);
      return image;
    },
    async pushWithCrane(image, address, repository) {
      await execute(paths.crane, ['push', image.layout, `${address}/${repository}:${image.word}`], { env });
      await remember(image, repository);
    },
    async pushWithSkopeo(image, address, repository) {
      await writeFile(policy, JSON.stringify({ default: [{ type: 'insecureAcceptAnything' }] }));
      const target = `docker://${address}/${repository}:${image.word}`;
      const options = ['--policy', policy, '--dest-tls-verify=false', '--preserve-digests'];
      await node.exec([paths.skopeo, 'copy', ...options, `oci-archive:${image.archive}`, target], { env });
      await remember(image, repository);
    },
    remember: (repository, tag, manifest) => void pushed.push({ repository, tag, manifest }),
    async assertAllThere(address) {
      assert.ok(pushed.length > 0, 'something was pushed');
      const client = createPushClient(`http://${address}`, { connections: 4 });
      try {
        for (const { repository, tag, manifest } of pushed) {
          const { bytes } = await client.pullManifest(repository, tag);
          assert.ok(bytes.equals(manifest), `${repository}:${tag}`);
          const { config, layers } = JSON.parse(manifest.toString()) as Manifest;
          for (const { digest } of [config, ...layers]) await client.pullBlob(repository, digest);
        }
      } finally {
        await client.close();
      }
    },
  };
}
