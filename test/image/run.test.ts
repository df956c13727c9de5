import assert from 'node:assert/strict';
import { chmod, chown, mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, type TestContext, test } from 'node:test';
import { eventually } from '../support/eventually.ts';
import { temporaryFolder } from '../support/registry-process.ts';
import { requireTool, skip } from '../support/tools.ts';
import { execute } from '../tools/execute.ts';
import { type ContainerOptions, runContainer } from './container.ts';
import { buildImage, type ImageConfig, needsRoot, unpack } from './image.ts';

interface Ready {
  readonly runc: string;
  readonly folder: string;
  readonly rootfs: string;
  readonly image: ImageConfig;
}

const folder = await temporaryFolder({ after });
let made: Promise<Ready | undefined> | undefined;

/** The image of this machine's architecture, built and unpacked once. */
const ready = (t: TestContext) => (made ??= make(t));

async function make(t: TestContext): Promise<Ready | undefined> {
  if (!needsRoot(t)) return undefined;
  if (process.arch !== 'x64') return void skip(t, `this machine is ${process.arch}; the amd64 image runs on amd64`);
  const paths = await requireTool(t, 'runc');
  const built = paths && (await buildImage(t, join(folder, 'out')));
  if (!built) return undefined;
  const rootfs = join(folder, 'rootfs');
  await unpack(built, 'amd64', rootfs);
  return { runc: paths.runc, folder, rootfs, image: await built.config('amd64') };
}

async function volume(name: string, owner: number): Promise<string> {
  const path = join(folder, name);
  await mkdir(path, { mode: 0o755 });
  await chown(path, owner, owner);
  return path;
}

/** Runs a command to its end. */
async function once(t: TestContext, options: ContainerOptions): Promise<{ code: number | undefined; output: string }> {
  const container = await runContainer(t, options);
  return { code: await container.ended, output: container.output() };
}

/** Pushes a blob and a manifest that names it, and reads both back; prints the digest. */
const pushAndPull = `
  import { createHash } from 'node:crypto';
  const base = 'http://127.0.0.1:5000/v2/team/app';
  const ask = async (method, url, status, body, type = 'application/octet-stream') => {
    const answer = await fetch(url, { method, ...(body && { body, headers: { 'content-type': type } }) });
    if (answer.status !== status) throw new Error(method + ' ' + url + ': ' + answer.status + ' ' + (await answer.text()));
    return answer;
  };
  const digestOf = (bytes) => 'sha256:' + createHash('sha256').update(bytes).digest('hex');
  const blob = Buffer.alloc(3 << 20, 'berth');
  const { headers } = await ask('POST', base + '/blobs/uploads/', 202);
  const location = headers.get('location');
  await ask('PUT', location + (location.includes('?') ? '&' : '?') + 'digest=' + digestOf(blob), 201, blob);
  const type = 'application/vnd.oci.image.manifest.v1+json';
  const descriptor = { mediaType: 'application/octet-stream', digest: digestOf(blob), size: blob.length };
  const manifest = JSON.stringify({ schemaVersion: 2, mediaType: type, config: descriptor, layers: [descriptor] });
  await ask('PUT', base + '/manifests/1', 201, manifest, type);
  const back = Buffer.from(await (await ask('GET', base + '/blobs/' + descriptor.digest, 200)).arrayBuffer());
  console.log(digestOf(back));`;

/** Connects by TLS to a server of its own and prints whether its certificate is trusted. */
const handshake = `
  import { readFileSync } from 'node:fs';
  import tls from 'node:tls';
  const server = tls.createServer({ key: readFileSync('/pki/key.pem'), cert: readFileSync('/pki/cert.pem') });
  server.listen(0, '127.0.0.1', () => {
    const end = (text) => { console.log(text); process.exit(); };
    const socket = tls.connect({ port: server.address().port, host: '127.0.0.1', servername: 'localhost' });
    socket.on('secureConnect', () => end('trusted')).on('error', (error) => end(error.code));
  }).on('tlsClientError', () => {});`;

const status = (url: string) => `console.log((await fetch('${url}')).status)`;

for (const user of ['65532:65532', '0:0']) {
  test(`the default command serves from a read-only root without capabilities, as ${user}`, async (t) => {
    const all = await ready(t);
    if (!all) return;
    const storage = await volume(`storage-${user.replace(':', '-')}`, Number(user.split(':')[0]));
    const options = { ...all, user, mounts: { '/var/lib/registry': storage } };
    const container = await runContainer(t, options);
    const answers = (url: string) =>
      eventually(async () => assert.equal(await container.script(status(url)), '200', container.output()));
    await answers('http://127.0.0.1:5000/v2/');
    await answers('http://127.0.0.1:5001/metrics');
    await answers('http://127.0.0.1:5001/readyz');
    const process1 = await container.script(
      "console.log(await (await import('node:fs/promises')).readFile('/proc/1/status','utf8'))",
    );
    assert.match(process1, new RegExp(`^Uid:\\t${user.split(':')[0]}\\t`, 'm'));
    assert.match(process1, /^CapEff:\t0+$/m);
    const digest = await container.script(pushAndPull);
    assert.match(digest, /^sha256:[0-9a-f]{64}$/);
    // Process 1 gets no signal that it does not handle itself: an exit code of 0 says that it drained.
    assert.equal(await container.stop(), 0, container.output());

    const again = await runContainer(t, options);
    const kept = `http://127.0.0.1:5000/v2/team/app/blobs/${digest}`;
    await eventually(async () => assert.equal(await again.script(status(kept)), '200', again.output()));
    assert.equal(await again.stop(), 0);
  });
}

test('arguments go to the registry, and its exit code comes back', async (t) => {
  const all = await ready(t);
  if (!all) return;
  const version = await once(t, { ...all, args: ['--version'] });
  assert.deepEqual(version, { code: 0, output: version.output });
  assert.match(version.output, /^registry berth v\d+\.\d+\.\d+\s*$/);
  const nonsense = await once(t, { ...all, args: ['no-such-command'] });
  assert.equal(nonsense.code, 1);
  assert.match(nonsense.output, /no-such-command/);
  const missing = await once(t, { ...all, args: ['serve', '/nowhere.yml'] });
  assert.equal(missing.code, 1);
  assert.match(missing.output, /\/nowhere\.yml/);
});

test('deployments written for other images of Distribution find program and configuration where they look', async (t) => {
  const all = await ready(t);
  if (!all) return;
  const config = join(folder, 'config.yml');
  await writeFile(config, 'version: 0.1\nstorage: {inmemory: {}}\nhttp: {addr: ":5000", prefix: /mounted/}\n');
  const unusual = join(folder, 'registry.conf');
  await writeFile(unusual, await readFile(config));
  const docker = join(folder, 'docker');
  const older = join(docker, 'registry');
  await mkdir(older, { recursive: true });
  await writeFile(join(older, 'config.yml'), await readFile(config));
  const otel = {
    OTEL_TRACES_EXPORTER: 'otlp',
    OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:1',
    OTEL_SDK_DISABLED: 'x',
  };
  const ways: [Record<string, string>, Partial<ContainerOptions>][] = [
    [{ '/etc/docker/registry/config.yml': config }, { args: ['/etc/docker/registry/config.yml'] }],
    [{ '/etc/docker/registry/config.yml': config }, {}],
    [{ '/etc/docker/registry': older }, { args: ['serve', '/etc/docker/registry/config.yml'] }],
    [{ '/etc/docker/registry': older }, { env: otel }],
    // The image's link is hidden, so that there are two files: the one that somebody mounted counts.
    [{ '/etc/docker': docker }, {}],
    [{ '/etc/docker': docker }, { args: ['serve'] }],
    [{ '/etc/distribution/config.yml': config }, { entrypoint: ['/bin/registry'] }],
    [{ '/etc/distribution/config.yml': config }, { args: ['registry', 'serve', '/etc/distribution/config.yml'] }],
    [{ '/etc/distribution/config.yml': config }, { args: ['serve'] }],
    [{ '/registry.conf': unusual }, { args: ['/registry.conf'] }],
    [
      { '/etc/docker/registry/config.yml': config },
      { entrypoint: ['/entrypoint.sh'], args: ['/etc/docker/registry/config.yml'] },
    ],
  ];
  for (const [mounts, how] of ways) {
    const container = await runContainer(t, { ...all, ...how, mounts });
    const url = 'http://127.0.0.1:5000/mounted/v2/';
    await eventually(async () => assert.equal(await container.script(status(url)), '200', container.output()));
    assert.equal(await container.stop(), 0);
  }
});

test('arguments that are commands of another image say what to do', async (t) => {
  const all = await ready(t);
  if (!all) return;
  for (const shell of ['sh', '/bin/sh', 'bash']) {
    const found = await once(t, { ...all, args: [shell, '-c', 'ls'] });
    assert.equal(found.code, 127);
    assert.match(found.output, /^registry: this image has no shell; .*--entrypoint node/m);
  }
  for (const missing of ['/nowhere/config.yml', 'config.yaml']) {
    const found = await once(t, { ...all, args: [missing] });
    assert.equal(found.code, 1);
    assert.match(found.output, new RegExp(`${missing}`));
    assert.doesNotMatch(found.output, /^\s+at /m);
  }
});

test('the young generation is small, in both programs', async (t) => {
  const all = await ready(t);
  if (!all) return;
  // Garbage enough that the space grows as far as it may; V8 keeps two halves, and some for what it is about.
  const script = `let kept; for (let n = 0; n < 4e6; n += 1) kept = { n, text: 'x' + n };
    console.log(require('node:v8').getHeapSpaceStatistics().find((s) => s.space_name === 'new_space').space_size <= 20 << 20)`;
  const found = await once(t, { ...all, entrypoint: ['node'], args: ['--eval', script] });
  assert.equal(found.output.trim(), 'true');
});

test('the operator is in the image, with what it reads', async (t) => {
  const all = await ready(t);
  if (!all) return;
  const file = join(folder, 'registry.yaml');
  await writeFile(
    file,
    'apiVersion: berth.dev/v1alpha1\nkind: Registry\nmetadata: {name: hub}\nspec: {storage: {type: EmptyDir, emptyDir: {}}}\n',
  );
  const operator = { ...all, entrypoint: ['operator'], mounts: { '/registry.yaml': file } };
  const rendered = await once(t, { ...operator, args: ['render', '-f', '/registry.yaml'] });
  assert.equal(rendered.code, 0, rendered.output);
  assert.match(rendered.output, /^kind: Deployment$/m);

  const kubeconfig = join(folder, 'kubeconfig');
  await writeFile(
    kubeconfig,
    `apiVersion: v1
kind: Config
clusters: [{name: c, cluster: {server: "https://127.0.0.1:1"}}]
users: [{name: u, user: {token: t}}]
contexts: [{name: x, context: {cluster: c, user: u}}]
current-context: x
`,
  );
  const running = await runContainer(t, {
    ...operator,
    args: ['run', '--kubeconfig', '/kubeconfig'],
    mounts: { '/kubeconfig': kubeconfig },
  });
  await eventually(() => assert.match(running.output(), /https:\/\/127\.0\.0\.1:1: connect ECONNREFUSED/));
  assert.equal(await running.stop(), 0, running.output());
});

test('connections trust the certificates of the image, or those mounted or named in their place', async (t) => {
  const all = await ready(t);
  if (!all) return;
  const bundle = await readFile(join(all.rootfs, 'etc/ssl/certs/ca-certificates.crt'), 'utf8');
  const certificates = bundle.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----\n/g) ?? [];
  assert.ok(certificates.length > 100);
  assert.equal(certificates.join(''), bundle);
  const pki = join(folder, 'pki');
  await mkdir(pki);
  const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost', '-days', '2'];
  const files = ['-keyout', join(pki, 'key.pem'), '-out', join(pki, 'cert.pem')];
  await execute('openssl', [
    'req',
    '-x509',
    '-newkey',
    'ec',
    '-pkeyopt',
    'ec_paramgen_curve:P-256',
    '-nodes',
    ...subject,
    ...files,
  ]);
  await chmod(join(pki, 'key.pem'), 0o644);
  const launcher = await readFile(join(all.rootfs, 'usr/local/bin/registry'), 'utf8');
  const [node = '', ...flags] = (launcher.split('\n')[0] ?? '').slice(2).split(' ');
  const connect = async (env: Record<string, string>, mounts: Record<string, string>) => {
    const args = [...flags, '--input-type=module', '--eval', handshake];
    const options = { ...all, entrypoint: [node], args, env, mounts: { '/pki': pki, ...mounts } };
    return (await once(t, options)).output.trim();
  };
  const own = join(pki, 'cert.pem');
  assert.equal(await connect({}, {}), 'DEPTH_ZERO_SELF_SIGNED_CERT');
  assert.equal(await connect({}, { '/etc/ssl/certs/ca-certificates.crt': own }), 'trusted');
  assert.equal(await connect({ SSL_CERT_FILE: '/pki/cert.pem' }, {}), 'trusted');
  assert.equal(await connect({ NODE_EXTRA_CA_CERTS: '/pki/cert.pem' }, {}), 'trusted');
});

test('time zones are there, and there is no shell', async (t) => {
  const all = await ready(t);
  if (!all) return;
  const zone = await once(t, {
    ...all,
    entrypoint: ['node'],
    args: ['--print', 'new Date(0).getHours()'],
    env: { TZ: 'Asia/Kolkata' },
  });
  assert.equal(zone.output.trim(), '5');
  assert.match((await readFile(join(all.rootfs, 'usr/share/zoneinfo/Asia/Kolkata'))).toString('latin1'), /^TZif/);
  const programs = await Promise.all(
    ['usr/bin', 'usr/sbin', 'usr/local/bin'].map((path) => readdir(join(all.rootfs, path))),
  );
  assert.deepEqual(programs.flat().sort(), ['node', 'operator', 'registry', 'registry']);
});
