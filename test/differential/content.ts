/** What lies in both trees before the first request: the same bytes, so the same digests. */
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { digestOf, type PushClient, types } from '../support/push-client.ts';

const bytesOf = (text: string): Buffer => Buffer.from(text);
const descriptor = (mediaType: string, bytes: Buffer) => ({ mediaType, digest: digestOf(bytes), size: bytes.length });

export const configType = 'application/vnd.oci.image.config.v1+json';
export const layerType = 'application/vnd.oci.image.layer.v1.tar';
export const dockerConfigType = 'application/vnd.docker.container.image.v1+json';
export const dockerLayerType = 'application/vnd.docker.image.rootfs.diff.tar.gzip';

export const config = bytesOf('{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":[]}}');
/** 1000 bytes, each distinguishable from its neighbours. */
export const layer = Buffer.from(Array.from({ length: 1000 }, (_, at) => (at * 7 + (at >> 8)) % 251));
/** Beyond what fits into one write. */
export const largeLayer = Buffer.alloc(300_000, layer);
/** In no repository. */
export const nowhere = bytesOf('bytes that nobody pushed');

export const imageOf = (note: string) => ({
  schemaVersion: 2,
  mediaType: types.manifest,
  config: descriptor(configType, config),
  layers: [descriptor(layerType, layer)],
  annotations: { note },
});

export const dockerImageOf = (name: string) => ({
  schemaVersion: 2,
  mediaType: types.dockerManifest,
  config: { ...descriptor(dockerConfigType, config), name },
  layers: [descriptor(dockerLayerType, layer)],
});

export const encoded = (manifest: object): Buffer => Buffer.from(JSON.stringify(manifest));
export const digestOfJson = (manifest: object): string => digestOf(encoded(manifest));

const child = (manifest: object, mediaType: string, architecture: string) => ({
  ...descriptor(mediaType, encoded(manifest)),
  platform: { os: 'linux', architecture },
});

export const image = imageOf('kept');
export const docker = dockerImageOf('amd64');
export const dockerArm = dockerImageOf('arm64');
export const ociArm = imageOf('arm64');
/** Without `mediaType`, as many tools write it. */
export const untypedImage = { ...imageOf('untyped'), mediaType: undefined };

export const index = {
  schemaVersion: 2,
  mediaType: types.index,
  manifests: [child(image, types.manifest, 'amd64'), child(ociArm, types.manifest, 'arm64')],
};
export const list = {
  schemaVersion: 2,
  mediaType: types.dockerList,
  manifests: [child(docker, types.dockerManifest, 'amd64'), child(dockerArm, types.dockerManifest, 'arm64')],
};
export const listWithoutAmd64 = {
  schemaVersion: 2,
  mediaType: types.dockerList,
  manifests: [child(dockerArm, types.dockerManifest, 'arm64')],
};

export const digests = {
  config: digestOf(config),
  layer: digestOf(layer),
  largeLayer: digestOf(largeLayer),
  nowhere: digestOf(nowhere),
  image: digestOfJson(image),
  docker: digestOfJson(docker),
  index: digestOfJson(index),
  list: digestOfJson(list),
} as const;

/** Tags of `lib/many`, in the order of their bytes. */
export const manyTags = [
  ...['0', 'A', 'Z', '_', 'a', 'a-1', 'a.1', 'a1', 'b', 'latest', 'v1', 'v1.0', 'v1.10', 'v1.9', 'v2', 'z'],
];

async function blobs(client: PushClient, name: string): Promise<void> {
  await client.pushBlob(name, config);
  await client.pushBlob(name, layer);
}

/** Pushes everything; ends with what only damage or other programs leave behind, which is written at `root` itself. */
export async function plant(client: PushClient, root: string): Promise<void> {
  await blobs(client, 'app');
  await client.pushBlob('app', largeLayer);
  await client.pushBlob('app', Buffer.alloc(0));
  const push = (name: string, reference: string, manifest: object, type: string) =>
    client.pushManifest(name, reference, manifest, type);
  await push('app', 'oci', image, types.manifest);
  await push('app', 'untyped', untypedImage, types.manifest);
  await push('app', 'docker', docker, types.dockerManifest);
  await push('app', digestOfJson(dockerArm), dockerArm, types.dockerManifest);
  await push('app', digestOfJson(ociArm), ociArm, types.manifest);
  await push('app', 'index', index, types.index);
  await push('app', 'list', list, types.dockerList);
  await push('app', 'list-arm', listWithoutAmd64, types.dockerList);
  await blobs(client, 'lib/many');
  for (const tag of manyTags) await push('lib/many', tag, image, types.manifest);
  for (const name of ['lib/a', 'lib/a-b', 'lib/a/b', 'lib', 'z', 'broken', 'targets']) {
    await blobs(client, name);
    await push(name, 'v1', image, types.manifest);
  }
  await blobs(client, 'digest-only');
  await push('digest-only', digests.image, image, types.manifest);
  await blobs(client, 'untagged');
  await push('untagged', 'gone', image, types.manifest);
  await client.expect(202, 'DELETE', '/v2/untagged/manifests/gone');
  await blobs(client, 'deleted');
  await push('deleted', 'v1', image, types.manifest);
  await client.expect(202, 'DELETE', `/v2/deleted/manifests/${digests.image}`);
  await blobs(client, 'blobs-only');
  await client.expect(202, 'POST', '/v2/uploads-only/blobs/uploads/');
  await damage(join(root, 'docker/registry/v2/repositories'));
}

async function damage(repositories: string): Promise<void> {
  const write = async (path: string, text: string): Promise<void> => {
    await mkdir(dirname(join(repositories, path)), { recursive: true });
    await writeFile(join(repositories, path), text);
  };
  const hex = (digest: string): string => digest.slice(7);
  await write('broken/_manifests/tags/empty/current/link', '');
  await write('broken/_manifests/tags/garbage/current/link', 'not a digest');
  await write('broken/_manifests/tags/dangling/current/link', digests.nowhere);
  await write(`broken/_layers/sha256/${hex(digests.nowhere)}/link`, digests.nowhere);
  await write(`broken/_layers/sha256/${hex(digests.largeLayer)}/link`, '');
  await write(`broken/_manifests/revisions/sha256/${hex(digests.nowhere)}/link`, digests.nowhere);
  await write('broken/_manifests/tags/not-json/current/link', digests.layer);
  await write(`broken/_manifests/revisions/sha256/${hex(digests.layer)}/link`, digests.layer);
  await rm(join(repositories, 'uploads-only/_uploads'), { recursive: true });
  await mkdir(join(repositories, 'uploads-only/_uploads'));
}
