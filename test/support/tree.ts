/** A tree with everything that registries store, pushed through any of them, and compared through any other. */
import assert from 'node:assert/strict';
import { digestOf, imageManifest, type PushClient, type PushedManifest, types, type Way, ways } from './push-client.ts';
import { type Chance, createChance } from './push-client-random.ts';

interface Repository {
  readonly tags: Map<string, string>;
  readonly manifests: Map<string, PushedManifest>;
  readonly blobs: Map<string, Buffer>;
  /** Manifests, tags and blobs that were there and were deleted. */
  readonly gone: { readonly manifests: Set<string>; readonly blobs: Set<string> };
}

/** What was pushed, by repository. */
export type Tree = Map<string, Repository>;

/** An upload that was begun, with the bytes that it is to get. */
export interface OpenUpload {
  readonly name: string;
  /** Path and query of its Location. */
  readonly location: string;
  readonly bytes: Buffer;
  readonly stored: number;
}

/** The edges of the grammar of names: nesting, every separator, words of the API, the longest. */
export const names = [
  ...['a', 'a/b', 'a/b/c', 'a/b/c/d/e/f/g/h', 'a0', '0', '0/0', 'b', 'one.two', 'one_two', 'one__two', 'one-two'],
  ...['dash--dash---dash', 'x__y/z.w/v-u', 'library/alpine', 'tags', 'tags/list', 'manifests/latest', 'blobs', 'v2'],
  ...['blobs/uploads', 'referrers/x', 'link/data/current', 'sha256/index', `${'long/'.repeat(30)}${'n'.repeat(100)}`],
] as const;

export const subjectName = 'one.two';
const mountTarget = 'one_two';

/** Tags at the edges of their grammar. */
const edgeTags = ['_', '0', 'latest', 'v1.0.0-rc.1_x', 'UPPER', `t${'-'.repeat(127)}`, 'link', 'current'] as const;

interface Planting {
  readonly client: PushClient;
  readonly chance: Chance;
  readonly tree: Tree;
  /** Bytes of the smallest layer; 0 by default. */
  readonly least?: number;
}

const repositoryOf = (tree: Tree, name: string): Repository => {
  let found = tree.get(name);
  if (found === undefined) {
    found = {
      tags: new Map(),
      manifests: new Map(),
      blobs: new Map(),
      gone: { manifests: new Set(), blobs: new Set() },
    };
    tree.set(name, found);
  }
  return found;
};

async function blob({ client, tree }: Planting, name: string, bytes: Buffer, way?: Way, sha512 = false) {
  const digest = await client.pushBlob(name, bytes, way, sha512 ? 'sha512' : 'sha256');
  repositoryOf(tree, name).blobs.set(digest, bytes);
  // Content that was pushed under another digest is a member under the canonical one as well.
  repositoryOf(tree, name).blobs.set(digestOf(bytes), bytes);
  return { digest, size: bytes.length };
}

async function manifest({ client, tree }: Planting, name: string, tag: string | undefined, content: object) {
  const mediaType = (content as { mediaType: string }).mediaType;
  const reference = tag ?? digestOf(Buffer.from(JSON.stringify(content)));
  const pushed = await client.pushManifest(name, reference, content, mediaType);
  const repository = repositoryOf(tree, name);
  repository.manifests.set(pushed.digest, pushed);
  if (tag !== undefined) repository.tags.set(tag, pushed.digest);
  return { mediaType, digest: pushed.digest, size: pushed.bytes.length };
}

export async function image(planting: Planting, name: string, tag: string | undefined, more: object = {}) {
  const { chance, least = 0 } = planting;
  const config = Buffer.from(
    JSON.stringify({ architecture: 'amd64', os: 'linux', made: chance.bytes(8).toString('hex') }),
  );
  const head = await blob(planting, name, config, chance.pick<Way>(ways));
  const layers = [];
  for (let count = 1 + chance.integer(2); count > 0; count--) {
    const bytes = chance.bytes(Math.max(least, chance.size(200_000)));
    layers.push(await blob(planting, name, bytes, chance.pick<Way>(ways)));
  }
  return manifest(planting, name, tag, imageManifest(head, layers, more));
}

async function dockerImage(planting: Planting, name: string, tag: string | undefined) {
  const config = await blob(planting, name, Buffer.from(`{"os":"linux","made":"${planting.chance.integer(1e9)}"}`));
  const layer = await blob(planting, name, planting.chance.bytes(5000));
  return manifest(planting, name, tag, {
    schemaVersion: 2,
    mediaType: types.dockerManifest,
    config: { mediaType: 'application/vnd.docker.container.image.v1+json', ...config },
    layers: [{ mediaType: 'application/vnd.docker.image.rootfs.diff.tar.gzip', ...layer }],
  });
}

const platforms = [
  { os: 'linux', architecture: 'amd64' },
  { os: 'linux', architecture: 'arm64' },
];

async function several(planting: Planting, name: string): Promise<void> {
  const children = [await image(planting, name, undefined), await image(planting, name, undefined)];
  const list = children.map((child, at) => ({ ...child, platform: platforms[at] }));
  const index = await manifest(planting, name, 'index', { schemaVersion: 2, mediaType: types.index, manifests: list });
  await manifest(planting, name, 'nested', { schemaVersion: 2, mediaType: types.index, manifests: [index] });
  const docker = [await dockerImage(planting, name, 'docker'), await dockerImage(planting, name, undefined)];
  const dockerList = docker.map((child, at) => ({ ...child, platform: platforms[at] }));
  await manifest(planting, name, 'list', { schemaVersion: 2, mediaType: types.dockerList, manifests: dockerList });
}

/** The same image under a SHA-512 digest, where the registry takes such manifests: Distribution serves them only. */
async function sha512Image({ client, tree }: Planting, name: string): Promise<void> {
  const repository = repositoryOf(tree, name);
  const known = [...repository.manifests.values()].find(({ mediaType }) => mediaType === types.manifest);
  if (known === undefined) throw new Error(`${name} has no image yet`);
  const digest = digestOf(known.bytes, 'sha512');
  const headers = { 'content-type': types.manifest };
  const reply = await client.expect([201, 400], 'PUT', `/v2/${name}/manifests/${digest}`, {
    headers,
    body: known.bytes,
  });
  if (reply.status === 201) repository.manifests.set(digest, { ...known, digest });
}

/** Descriptor of the subject that `plantTree` gave referrers to, and their digests. */
export interface Referred {
  readonly subject: { readonly digest: string };
  readonly referrers: readonly string[];
}

async function referred(planting: Planting, name: string): Promise<Referred> {
  const subject = await image(planting, name, 'subject');
  const artifact = { artifactType: 'application/vnd.example.signature', subject };
  const referrers = [
    await image(planting, name, undefined, artifact),
    await image(planting, name, 'signature', artifact),
  ];
  return { subject, referrers: referrers.map(({ digest }) => digest) };
}

async function deletions({ client, tree, ...rest }: Planting, name: string): Promise<void> {
  const planting = { client, tree, ...rest };
  const repository = repositoryOf(tree, name);
  const manifestGone = await image(planting, name, 'doomed');
  await client.expect(202, 'DELETE', `/v2/${name}/manifests/${manifestGone.digest}`);
  repository.manifests.delete(manifestGone.digest);
  repository.tags.delete('doomed');
  repository.gone.manifests.add(manifestGone.digest).add('doomed');
  await image(planting, name, 'moved');
  await image(planting, name, 'moved');
  await image(planting, name, 'untagged');
  // 2.8 cannot delete a tag alone.
  const untagged = await client.send('DELETE', `/v2/${name}/manifests/untagged`);
  if (untagged.status === 202) {
    repository.tags.delete('untagged');
    repository.gone.manifests.add('untagged');
  }
  const { digest } = await blob(planting, name, planting.chance.bytes(999));
  await client.expect(202, 'DELETE', `/v2/${name}/blobs/${digest}`);
  repository.blobs.delete(digest);
  repository.gone.blobs.add(digest);
}

/** Pushes the whole tree. `alias`: with a blob that is a member by its SHA-512 too. `empty`: with the empty blob. */
export async function plantTree(
  client: PushClient,
  seed: string,
  { alias = true, empty = true } = {},
): Promise<{ tree: Tree; referred: Referred; upload: OpenUpload }> {
  const planting: Planting = { client, chance: createChance(seed), tree: new Map(), least: empty ? 0 : 1 };
  const { chance, tree } = planting;
  for (const name of names) await image(planting, name, 'latest');
  for (const tag of edgeTags) await image(planting, 'a', tag);
  await several(planting, 'a/b');
  await several(planting, 'x__y/z.w/v-u');
  await deletions(planting, 'b');
  if (empty) await blob(planting, 'one-two', Buffer.alloc(0));
  await blob(planting, 'one-two', chance.bytes(70_000), 'post-patch-put', alias);
  await sha512Image(planting, 'one-two');
  const found = await referred(planting, subjectName);
  const [digest = '', bytes = Buffer.alloc(0)] = [...repositoryOf(tree, 'a').blobs][0] ?? [];
  await client.expect(201, 'POST', `/v2/${mountTarget}/blobs/uploads/?mount=${digest}&from=a`);
  repositoryOf(tree, mountTarget).blobs.set(digest, bytes);
  return { tree, referred: found, upload: await openUpload(client, 'library/alpine', chance) };
}

/** Begins an upload and stores most of it: enough for a record of its progress to be kept. */
export async function openUpload(client: PushClient, name: string, chance: Chance): Promise<OpenUpload> {
  const bytes = chance.bytes(6_000_000);
  const stored = 5_000_000;
  const { pathname, search } = new URL(await client.append(await client.beginUpload(name), bytes.subarray(0, stored)));
  return { name, location: pathname + search, bytes, stored };
}

/** Takes blobs that no manifest of any repository names out of the tree, and gives them back by repository. */
export function takeLoose(tree: Tree): Map<string, Buffer[]> {
  const named = new Set<string>();
  for (const { manifests } of tree.values()) {
    for (const { bytes } of manifests.values()) {
      for (const [digest] of bytes.toString().matchAll(/sha(256|512):[0-9a-f]+/g)) named.add(digest);
    }
  }
  const loose = new Map<string, Buffer[]>();
  for (const [name, { blobs, gone }] of tree) {
    for (const [digest, bytes] of blobs) {
      if (named.has(digest)) continue;
      blobs.delete(digest);
      gone.blobs.add(digest);
      const others = (loose.get(name) ?? []).filter((other) => !other.equals(bytes));
      loose.set(name, [...others, bytes]);
    }
  }
  return loose;
}

/** Everything in the tree is there, byte for byte, and nothing else is. */
export async function assertTree(client: PushClient, tree: Tree): Promise<void> {
  assert.deepEqual([...(await client.catalog())].sort(), [...tree.keys()].sort(), 'catalog');
  for (const [name, { tags, manifests, blobs, gone }] of tree) {
    assert.deepEqual([...(await client.tags(name))].sort(), [...tags.keys()].sort(), `tags of ${name}`);
    for (const [tag, digest] of tags)
      assert.equal((await client.pullManifest(name, tag)).digest, digest, `${name}:${tag}`);
    for (const [digest, expected] of manifests) await assertManifest(client, name, digest, expected);
    for (const [digest, expected] of blobs) await assertBlob(client, name, digest, expected);
    for (const reference of gone.manifests) await client.expect(404, 'GET', `/v2/${name}/manifests/${reference}`);
    for (const digest of gone.blobs) await client.expect(404, 'GET', `/v2/${name}/blobs/${digest}`);
  }
}

async function assertManifest(
  client: PushClient,
  name: string,
  digest: string,
  expected: PushedManifest,
): Promise<void> {
  const found = await client.pullManifest(name, digest);
  assert.ok(found.bytes.equals(expected.bytes), `${name}@${digest}: same bytes`);
  assert.equal(found.mediaType, expected.mediaType, `${name}@${digest}: same type`);
}

async function assertBlob(client: PushClient, name: string, digest: string, expected: Buffer): Promise<void> {
  const path = `/v2/${name}/blobs/${digest}`;
  const head = await client.expect(200, 'HEAD', path);
  assert.equal(head.headers['content-length'], String(expected.length), `${path}: HEAD tells the size`);
  const { body } = await client.expect(200, 'GET', path);
  assert.ok(body.equals(expected), `${path}: same bytes`);
}
