/**
 * What a power loss leaves is what was synced. A trace of the server's system calls during one push shows the order; the
 * same check finds each sync that is taken away, from the trace and from the running server.
 */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { createPushClient, digestOf, imageManifest } from '../support/push-client.ts';
import { createChance } from '../support/push-client-random.ts';
import { startRegistry, temporaryFolder } from '../support/registry-process.ts';
import { requireTool } from '../support/tools.ts';
import { answerWith, type Demand, demandOfOrder, demandsOfFile, demandsOfRemoval, unmet } from './durability.ts';
import { type Call, parseTrace, straceOptions } from './trace.ts';

const name = 'team/app';
const chance = createChance('one push');
const layer = chance.bytes(5_000_000);
const config = Buffer.from('{"architecture":"amd64","os":"linux"}');
const manifest = imageManifest({ digest: digestOf(config), size: config.length }, [
  { digest: digestOf(layer), size: layer.length },
]);
const manifestDigest = digestOf(Buffer.from(JSON.stringify(manifest)));

/** Pushes one image into a fresh folder, by PATCH and by POST, then deletes it piece by piece. */
async function tracedPush(t: TestContext, strace: string, env: Readonly<Record<string, string>> = {}) {
  const folder = await temporaryFolder(t);
  const root = join(folder, 'new', 'data');
  const output = join(folder, 'trace');
  const server = await startRegistry(t, {
    root: join(folder, 'data'),
    under: straceOptions(strace, output),
    config: { storage: { filesystem: { rootdirectory: root } } },
    env: { UV_USE_IO_URING: '0', ...env },
  });
  const client = createPushClient(server.url, { connections: 1 });
  await client.pushBlob(name, layer, 'post-patch-put');
  await client.pushBlob(name, config, 'post');
  await client.pushManifest(name, 'v1', manifest);
  await client.expect(202, 'DELETE', `/v2/${name}/manifests/v1`);
  await client.expect(202, 'DELETE', `/v2/${name}/manifests/${manifestDigest}`);
  await client.expect(202, 'DELETE', `/v2/${name}/blobs/${digestOf(layer)}`);
  await client.close();
  const children = await readFile(`/proc/${server.pid}/task/${server.pid}/children`, 'utf8');
  process.kill(Number(children.trim().split(' ')[0]), 'SIGTERM');
  await server.ended;
  return { calls: parseTrace(await readFile(output, 'utf8')), tree: join(root, 'docker/registry/v2'), root };
}

const slashed = (digest: string): string => digest.replace(':', '/');
const dataOf = (tree: string, digest: string): string =>
  join(tree, 'blobs/sha256', digest.slice(7, 9), digest.slice(7), 'data');

/** Everything that the answers of `tracedPush` promise. */
function demandsOf(calls: readonly Call[], tree: string): readonly Demand[] {
  const repository = join(tree, 'repositories', name);
  const revision = join(repository, '_manifests/revisions', slashed(manifestDigest), 'link');
  const tag = join(repository, '_manifests/tags/v1');
  const history = join(tag, 'index', slashed(manifestDigest), 'link');
  const layerLink = (digest: string): string => join(repository, '_layers', slashed(digest), 'link');
  const ofBlob = (digest: string): readonly Demand[] => {
    const answer = answerWith(calls, 'HTTP/1.1 201', `/blobs/${digest}`);
    return [dataOf(tree, digest), layerLink(digest)].flatMap((path) => demandsOfFile(calls, path, answer));
  };
  const pushed = answerWith(calls, 'HTTP/1.1 201', `/manifests/${manifestDigest}`);
  const current = join(tag, 'current/link');
  const before = [dataOf(tree, manifestDigest), revision, history];
  const deletions = calls.filter(
    ({ file, strings }) =>
      file?.startsWith('TCP') &&
      /^HTTP\/1.1 202 .*(?<!Range.*)$/.test(strings[0] ?? '') &&
      !strings[0]?.includes('Docker-Upload-Uuid'),
  );
  const [untagged, removed, unlinked] = deletions.slice(-3);
  assert.ok(untagged && removed && unlinked, 'three deletions were answered');
  return [
    ...ofBlob(digestOf(layer)),
    ...ofBlob(digestOf(config)),
    ...[...before, current].flatMap((path) => demandsOfFile(calls, path, pushed)),
    ...demandOfOrder(calls, current, before, pushed),
    ...demandsOfRemoval(calls, tag, untagged),
    ...demandsOfRemoval(calls, join(repository, '_manifests/revisions', slashed(manifestDigest)), removed),
    ...demandsOfRemoval(calls, layerLink(digestOf(layer)), unlinked),
  ];
}

test('each answer comes after the syncs that make it true: bytes, name, folder, new parents; the tag last', async (t) => {
  const paths = await requireTool(t, 'strace');
  if (!paths) return;
  const { calls, tree, root } = await tracedPush(t, paths.strace);
  const demands = demandsOf(calls, tree);
  assert.deepEqual(unmet(demands), []);
  const whats = demands.map(({ what }) => what);
  assert.ok(whats.includes(`${root}: new folder before the answer`), 'the storage folder itself is new here');
  t.diagnostic(`${demands.length} demands, met by ${calls.filter(({ name: call }) => call === 'fsync').length} syncs`);

  await t.test('taking away what meets a demand is noticed', () => {
    for (const { what, metBy } of demands) {
      const left = calls.filter((call) => !metBy.includes(call));
      assert.ok(unmet(demandsOf(left, tree)).includes(what), what);
    }
  });

  await t.test('taking away a single sync is noticed wherever no other does the same', () => {
    const needed = calls.filter((call) => demands.some(({ metBy }) => metBy.length === 1 && metBy[0] === call));
    for (const call of needed) {
      const left = calls.filter((other) => other !== call);
      assert.notDeepEqual(unmet(demandsOf(left, tree)), [], `fsync of ${call.file}`);
    }
    // At least the bytes of three contents and five links, each of which is synced once.
    assert.ok(needed.length >= 8, `${needed.length} syncs have no double`);
  });
});

const variants = [
  {
    leaves: 'the bytes of an upload',
    path: '/_uploads/[^/]+/data',
    unmet: /\/blobs\/.*\/data: bytes before the name$/,
  },
  { leaves: 'the folder of a blob', path: '/blobs/sha256/../[0-9a-f]{64}$', unmet: /\/blobs\/.*\/data: name before/ },
  { leaves: 'the bytes of a tag', path: '/current/link\\..*tmp$', unmet: /\/current\/link: bytes before the name$/ },
  { leaves: 'the folder of the layer links', path: '/_layers/sha256$', unmet: /\/_layers\/.*: new folder before/ },
];

for (const variant of variants) {
  test(`a server that does not sync ${variant.leaves} is found out`, async (t) => {
    const paths = await requireTool(t, 'strace');
    if (!paths) return;
    const hook = new URL('./without-sync.ts', import.meta.url).pathname;
    const env = { NODE_OPTIONS: `--import=${hook}`, WITHOUT_SYNC: variant.path };
    const { calls, tree } = await tracedPush(t, paths.strace, env);
    const found = unmet(demandsOf(calls, tree));
    assert.ok(
      found.some((what) => variant.unmet.test(what)),
      `found: ${found.join('\n') || 'nothing'}`,
    );
  });
}
