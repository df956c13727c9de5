import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { cp, mkdir, readFile, stat, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { after, type TestContext, test } from 'node:test';
import { gunzipSync } from 'node:zlib';
import { fetchInputs } from '../../image/fetch.ts';
import { ARCHITECTURES, inputNamed, inputsOf, readLock } from '../../image/inputs.ts';
import { temporaryFolder } from '../support/registry-process.ts';
import { requireTool } from '../support/tools.ts';
import { execute } from '../tools/execute.ts';
import { buildImage, type Index } from './image.ts';

const root = new URL('../..', import.meta.url).pathname;
const node = process.versions.node;
const lock = await readLock(join(root, 'image/inputs.lock.json'), node);

const sha256 = (bytes: Buffer) => `sha256:${createHash('sha256').update(bytes).digest('hex')}`;

/** The build of these tests, with every layer compressed anew; all look at the same. */
let first: ReturnType<typeof buildImage> | undefined;
const out = await temporaryFolder({ after });
const fresh = (t: TestContext) => (first ??= buildImage(t, out, '--fresh'));

test('two builds give the same bytes, the second from another checkout and from kept layers', async (t) => {
  const image = await fresh(t);
  if (!image) return;
  // Another folder, and other modes as another umask would give them.
  const elsewhere = join(await temporaryFolder(t), 'a checkout');
  await mkdir(elsewhere, { mode: 0o700 });
  for (const name of ['image', 'registry', 'operator', 'crds', 'LICENSE', 'package.json', 'package-lock.json']) {
    await cp(join(root, name), join(elsewhere, name), { recursive: true });
  }
  await execute('chmod', ['-R', 'u+rwX,go-rwx', elsewhere]);
  await symlink(join(root, 'node_modules'), join(elsewhere, 'node_modules'));
  const other = join(elsewhere, 'out');
  await execute(process.execPath, [join(elsewhere, 'image/build.ts'), '--out', other], { deadline: 900_000 });
  for (const path of ['image/index.json', 'berth-amd64.tar', 'berth-arm64.tar']) {
    const sums: string[] = await Promise.all(
      [image.out, other].map(async (base) => sha256(await readFile(join(base, path)))),
    );
    assert.equal(sums[1], sums[0], path);
  }
});

test('every blob has the digest and size that its descriptor says, and layers the ids of their content', async (t) => {
  const image = await fresh(t);
  if (!image) return;
  const index = await image.json<Index>(image.top.digest);
  assert.deepEqual(
    index.manifests.map(({ platform }) => platform),
    [
      { architecture: 'amd64', os: 'linux' },
      { architecture: 'arm64', os: 'linux', variant: 'v8' },
    ],
  );
  for (const architecture of ARCHITECTURES) {
    const { config, layers } = await image.manifest(architecture);
    const diffIds: string[] = [];
    for (const descriptor of [image.top, ...index.manifests, config, ...layers]) {
      const bytes: Buffer = await readFile(image.blob(descriptor.digest));
      assert.equal(sha256(bytes), descriptor.digest);
      assert.equal(bytes.length, descriptor.size);
      if (layers.includes(descriptor)) diffIds.push(sha256(gunzipSync(bytes)));
    }
    assert.deepEqual((await image.config(architecture)).rootfs.diff_ids, diffIds);
    const size = layers.reduce((total, layer) => total + layer.size, 0);
    t.diagnostic(`${architecture}: ${(size / 1e6).toFixed(1)} MB compressed`);
    assert.ok(size < 60e6, `${architecture} has ${size} bytes`);
  }
});

test('both architectures share the layer with our own code', async (t) => {
  const image = await fresh(t);
  if (!image) return;
  const [amd64, arm64] = await Promise.all(ARCHITECTURES.map((name) => image.manifest(name)));
  assert.deepEqual(amd64?.layers.at(-1), arm64?.layers.at(-1));
});

test('a label lists the inputs with name, version and sum', async (t) => {
  const image = await fresh(t);
  if (!image) return;
  for (const architecture of ARCHITECTURES) {
    const { Labels } = (await image.config(architecture)).config;
    const listed = JSON.parse(Labels['dev.berth.inputs'] ?? '{}') as {
      inputs: object[];
      bundled: { packageLock: string; packages: string[] };
    };
    assert.deepEqual(listed.inputs, inputsOf(lock, architecture));
    assert.ok(listed.inputs.length >= 8);
    assert.equal(listed.bundled.packageLock, sha256(await readFile(join(root, 'package-lock.json'))));
    for (const name of ['fastify', 'undici', '@kubernetes/client-node']) {
      assert.ok(
        listed.bundled.packages.some((each) => each.startsWith(`${name}@`)),
        name,
      );
    }
  }
});

test('an archive is read as docker save writes them, and as an OCI archive, under the same name', async (t) => {
  const paths = await requireTool(t, 'skopeo');
  const image = paths && (await fresh(t));
  if (!image) return;
  const target = await temporaryFolder(t);
  const policy = ['--insecure-policy', '--override-os', 'linux', '--override-arch', 'amd64'];
  const archive = join(image.out, 'berth-amd64.tar');
  const { config } = await image.manifest('amd64');
  const tag = '0.1.0';
  const sources = [
    `docker-archive:${archive}:localhost/berth:${tag}`,
    `oci-archive:${archive}:${tag}`,
    `oci:${image.out}/image:${tag}`,
  ];
  for (const [at, source] of sources.entries()) {
    const copy = join(target, String(at));
    await execute(paths.skopeo, [...policy, 'copy', source, `dir:${copy}`], { deadline: 300_000 });
    const copied = JSON.parse(await readFile(join(copy, 'manifest.json'), 'utf8')) as { config: { digest: string } };
    assert.equal(copied.config.digest, config.digest, source);
  }
});

test('an input that is not the locked one, or is no longer to be had, is refused with the way out', async (t) => {
  const cache = await temporaryFolder(t);
  const options = { cache, sources: undefined, signal: t.signal, progress: () => {} };
  const input = inputNamed(lock, 'tzdata', 'amd64');
  const refused = (change: object, expected: RegExp) =>
    assert.rejects(fetchInputs({ ...lock, inputs: [{ ...input, ...change }] }, options), expected);
  await refused({ sha256: '0'.repeat(64) }, /tzdata .* is not the file that image\/inputs\.lock\.json names/);
  await refused(
    { version: '1970a-1', sha256: '1'.repeat(64) },
    /1970a-1.*tzdata[\s\S]*build\.ts --update[\s\S]*BERTH_APT_SOURCES/,
  );
  await assert.rejects(stat(join(cache, `${'0'.repeat(64)}.deb`)), { code: 'ENOENT' });
});

test('the Dockerfile builds on the pinned Node', async () => {
  const dockerfile = await readFile(join(root, 'Dockerfile'), 'utf8');
  assert.equal(/^ARG NODE=(.*)$/m.exec(dockerfile)?.[1], node);
});
