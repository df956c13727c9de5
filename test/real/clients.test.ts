/** Clients that people use, against a registry of their own: push, pull, copy, list, delete, artifacts, charts. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { promisify } from 'node:util';
import { pull, push } from '../../demo/image.ts';
import { type RegistryProcess, startRegistry, temporaryFolder } from '../support/registry-process.ts';
import { requireTool } from '../support/tools.ts';

const execute = promisify(execFile);
/** Milliseconds for one command of a client. */
const timeout = 60_000;

interface Ground {
  readonly registry: RegistryProcess;
  /** `127.0.0.1:PORT`, as image names begin. */
  readonly host: string;
  readonly folder: string;
  run(program: string, ...args: readonly string[]): Promise<string>;
}

async function prepare(t: TestContext): Promise<Ground> {
  const folder = await temporaryFolder(t);
  const registry = await startRegistry(t, { root: join(folder, 'data') });
  await push(registry.url, 'library/hello', '1.0');
  const env = { ...process.env, HOME: folder, DOCKER_CONFIG: folder, XDG_RUNTIME_DIR: folder, XDG_DATA_HOME: folder };
  return {
    registry,
    host: `127.0.0.1:${registry.port}`,
    folder,
    async run(program, ...args) {
      const { stdout } = await execute(program, args, { env, timeout, cwd: folder });
      return stdout.trim();
    },
  };
}

/** No client may have met a fault of the server. */
function assertServerWell({ registry }: Ground): void {
  assert.deepEqual(registry.complaints(), []);
}

test('crane: digest, manifest, pull, push, copy, tag, list, catalog, delete', async (t) => {
  const programs = await requireTool(t, 'crane');
  if (!programs) return;
  const ground = await prepare(t);
  const crane = (...args: string[]): Promise<string> => ground.run(programs.crane, ...args, '--insecure');
  const { host, folder } = ground;
  const digest = await crane('digest', `${host}/library/hello:1.0`);
  assert.match(digest, /^sha256:[0-9a-f]{64}$/);
  await crane('pull', '--format=oci', `${host}/library/hello:1.0`, join(folder, 'layout'));
  await crane('push', join(folder, 'layout'), `${host}/other/copy:2.0`);
  assert.equal(await crane('digest', `${host}/other/copy:2.0`), digest);
  await crane('copy', `${host}/library/hello:1.0`, `${host}/third/copy:3.0`);
  await crane('tag', `${host}/third/copy:3.0`, 'latest');
  assert.equal(await crane('ls', `${host}/third/copy`), '3.0\nlatest');
  assert.equal(await crane('catalog', host), 'library/hello\nother/copy\nthird/copy');
  await crane('append', '--base', `${host}/library/hello:1.0`, '-f', await tarball(ground), '-t', `${host}/fourth:4.0`);
  await crane('validate', '--remote', `${host}/fourth:4.0`);
  await crane('delete', `${host}/third/copy@${digest}`);
  await assert.rejects(crane('digest', `${host}/third/copy:latest`), /MANIFEST_UNKNOWN/);
  assertServerWell(ground);
});

test('skopeo: copies between transports, in Docker and OCI form, and inspects', async (t) => {
  const programs = await requireTool(t, 'skopeo');
  if (!programs) return;
  const ground = await prepare(t);
  const { host, folder, run } = ground;
  const policy = join(folder, 'policy.json');
  await writeFile(policy, JSON.stringify({ default: [{ type: 'insecureAcceptAnything' }] }));
  const skopeo = (...args: string[]): Promise<string> => run(programs.skopeo, '--policy', policy, ...args);
  const plain = ['--src-tls-verify=false', '--dest-tls-verify=false'];
  await skopeo('copy', ...plain, `docker://${host}/library/hello:1.0`, `oci:${folder}/layout:1.0`);
  await skopeo('copy', ...plain, '--format', 'v2s2', `oci:${folder}/layout:1.0`, `docker://${host}/as/docker:1.0`);
  await skopeo('copy', ...plain, `oci:${folder}/layout:1.0`, `docker://${host}/as/oci:1.0`);
  const raw = JSON.parse(await skopeo('inspect', '--raw', '--tls-verify=false', `docker://${host}/as/docker:1.0`));
  assert.equal(raw.mediaType, 'application/vnd.docker.distribution.manifest.v2+json');
  const tags = JSON.parse(await skopeo('list-tags', '--tls-verify=false', `docker://${host}/as/oci`));
  assert.deepEqual(tags.Tags, ['1.0']);
  await skopeo('delete', '--tls-verify=false', `docker://${host}/as/oci:1.0`);
  await assert.rejects(skopeo('inspect', '--tls-verify=false', `docker://${host}/as/oci:1.0`));
  assertServerWell(ground);
});

test('regctl: artifacts, referrers, recursive copies, deleting a tag alone', async (t) => {
  const programs = await requireTool(t, 'regctl');
  if (!programs) return;
  const ground = await prepare(t);
  const { host, folder, run } = ground;
  const regctl = (...args: string[]): Promise<string> =>
    run(programs.regctl, '--host', `reg=${host},tls=disabled`, ...args);
  const image = `${host}/library/hello:1.0`;
  await writeFile(join(folder, 'sbom.json'), '{"sbom":true}');
  const put = ['artifact', 'put', '--artifact-type', 'application/vnd.example.sbom', '--subject', image];
  await regctl(...put, '--file', join(folder, 'sbom.json'));
  assert.match(await regctl('artifact', 'list', image), /application\/vnd\.example\.sbom/);
  await regctl('image', 'copy', '--referrers', '--digest-tags', image, `${host}/copied/hello:1.0`);
  assert.match(await regctl('artifact', 'list', `${host}/copied/hello:1.0`), /application\/vnd\.example\.sbom/);
  const digest = await regctl('image', 'digest', image);
  await regctl('tag', 'rm', image);
  assert.equal(await regctl('image', 'digest', `${host}/library/hello@${digest}`), digest);
  assertServerWell(ground);
});

test('helm: a chart is pushed and pulled back', async (t) => {
  const programs = await requireTool(t, 'helm');
  if (!programs) return;
  const ground = await prepare(t);
  const { host, folder, run } = ground;
  await mkdir(join(folder, 'chart'));
  await writeFile(join(folder, 'chart', 'Chart.yaml'), 'apiVersion: v2\nname: demo\nversion: 1.2.3+build\n');
  await run(programs.helm, 'package', join(folder, 'chart'), '-d', folder);
  await run(programs.helm, 'push', '--plain-http', join(folder, 'demo-1.2.3+build.tgz'), `oci://${host}/charts`);
  await run(
    programs.helm,
    'pull',
    '--plain-http',
    `oci://${host}/charts/demo`,
    '--version',
    '1.2.3+build',
    '-d',
    join(folder, 'chart'),
  );
  assert.ok((await readdir(join(folder, 'chart'))).some((name) => name.endsWith('.tgz')));
  assertServerWell(ground);
});

test('what one client pushed another one reads byte for byte', async (t) => {
  const programs = await requireTool(t, 'crane', 'regctl');
  if (!programs) return;
  const ground = await prepare(t);
  const { host, run, registry } = ground;
  await run(
    programs.regctl,
    '--host',
    `reg=${host},tls=disabled`,
    'image',
    'copy',
    `${host}/library/hello:1.0`,
    `${host}/a/b:1`,
  );
  assert.ok((await pull(registry.url, 'a/b', '1')) > 0);
  await run(programs.crane, 'validate', '--remote', `${host}/a/b:1`, '--insecure');
  assertServerWell(ground);
});

async function tarball({ folder, run }: Ground): Promise<string> {
  await writeFile(join(folder, 'added.txt'), 'one more layer');
  await run('tar', '-cf', join(folder, 'layer.tar'), '-C', folder, 'added.txt');
  return join(folder, 'layer.tar');
}
