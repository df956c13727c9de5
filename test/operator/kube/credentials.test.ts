import assert from 'node:assert/strict';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { isOperatorError } from '../../../operator/error.ts';
import { openCredentials } from '../../../operator/kube/credentials.ts';

async function folder(t: TestContext): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'berth-credentials-'));
  t.after(() => rm(path, { recursive: true, force: true }));
  return path;
}

async function kubeconfig(path: string, server: string, user: object, cluster: object = {}): Promise<string> {
  const config = {
    apiVersion: 'v1',
    kind: 'Config',
    'current-context': 'one',
    contexts: [{ name: 'one', context: { cluster: 'one', user: 'one' } }],
    clusters: [{ name: 'one', cluster: { server, ...cluster } }],
    users: [{ name: 'one', user }],
  };
  await writeFile(path, JSON.stringify(config));
  return path;
}

const open = (kubeconfigs: string[] | undefined, more: Partial<Parameters<typeof openCredentials>[0]> = {}) =>
  openCredentials({ kubeconfig: kubeconfigs, service: undefined, serviceAccountDir: '', now: () => 0, ...more });

test('the service account’s token is read again after a minute, and at once after a 401', async (t) => {
  const dir = await folder(t);
  await writeFile(join(dir, 'ca.crt'), 'authority');
  await writeFile(join(dir, 'token'), 'first\n');
  let now = 0;
  const credentials = open(undefined, {
    service: { host: 'fd00::1', port: '443' },
    serviceAccountDir: dir,
    now: () => now,
  });
  const first = await credentials.access();
  assert.equal(first.origin, 'https://[fd00::1]:443');
  assert.equal(first.headers['authorization'], 'Bearer first');
  assert.equal(first.tls.ca?.toString(), 'authority');
  await writeFile(join(dir, 'token'), 'second');
  now = 59_000;
  assert.equal((await credentials.access()).headers['authorization'], 'Bearer first');
  now = 60_000;
  const second = await credentials.access();
  assert.equal(second.headers['authorization'], 'Bearer second');
  assert.equal(second.id, first.id, 'another token needs no new connections');
  await writeFile(join(dir, 'token'), 'third');
  await writeFile(join(dir, 'ca.crt'), 'another authority');
  credentials.refresh();
  const third = await credentials.access();
  assert.equal(third.headers['authorization'], 'Bearer third');
  assert.notEqual(third.id, first.id, 'another authority does');
});

test('a kubeconfig’s server, path, server name, authority, certificate and impersonation are taken', async (t) => {
  const dir = await folder(t);
  const base64 = (text: string) => Buffer.from(text).toString('base64');
  const file = await kubeconfig(
    join(dir, 'config'),
    'https://cluster.example:6443/k8s/clusters/c-1/',
    { 'client-certificate-data': base64('cert'), 'client-key-data': base64('key'), as: 'somebody' },
    { 'certificate-authority-data': base64('ca'), 'tls-server-name': 'inner' },
  );
  const access = await open([file]).access();
  assert.equal(access.origin, 'https://cluster.example:6443');
  assert.equal(access.prefix, '/k8s/clusters/c-1');
  assert.equal(access.headers['impersonate-user'], 'somebody');
  const { ca, cert, key, servername } = access.tls;
  assert.deepEqual([ca?.toString(), cert?.toString(), key?.toString(), servername], ['ca', 'cert', 'key', 'inner']);
});

test('an exec plugin gives the token, and is asked again after a 401', async (t) => {
  const dir = await folder(t);
  const plugin = join(dir, 'plugin');
  const count = join(dir, 'count');
  await writeFile(
    plugin,
    `#!/bin/sh\necho x >> ${count}\nprintf '{"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential","status":{"token":"token-%s"}}' "$(wc -l < ${count} | tr -d ' ')"\n`,
  );
  await chmod(plugin, 0o755);
  const exec = { apiVersion: 'client.authentication.k8s.io/v1', command: plugin, interactiveMode: 'Never' };
  const credentials = open([await kubeconfig(join(dir, 'config'), 'https://c.example', { exec })]);
  assert.equal((await credentials.access()).headers['authorization'], 'Bearer token-1');
  credentials.refresh();
  assert.equal((await credentials.access()).headers['authorization'], 'Bearer token-2');
});

test('an exec plugin that fails is an error that time may mend, and its words are told', async (t) => {
  const dir = await folder(t);
  const exec = { apiVersion: 'client.authentication.k8s.io/v1', command: 'false' };
  const credentials = open([await kubeconfig(join(dir, 'config'), 'https://c.example', { exec })]);
  await assert.rejects(credentials.access(), (error) => isOperatorError(error, 'unauthorized'));
});

test('of several files the first to name a thing wins, as with kubectl', async (t) => {
  const dir = await folder(t);
  const first = await kubeconfig(join(dir, 'a'), 'https://first.example', { token: 'a' });
  const second = await kubeconfig(join(dir, 'b'), 'https://second.example', { token: 'b' });
  const access = await open([first, second]).access();
  assert.equal(access.origin, 'https://first.example');
  assert.equal(access.headers['authorization'], 'Bearer a');
});

test('what cannot be used is told with its place: no cluster, a missing file, a context without a cluster, a SOCKS proxy', async (t) => {
  const dir = await folder(t);
  assert.throws(
    () => open(undefined),
    (error: Error) => isOperatorError(error, 'config') && /--kubeconfig FILE/.test(error.message),
  );
  const faults: [string, RegExp][] = [
    [join(dir, 'missing'), /missing cannot be read: ENOENT/],
    [await kubeconfig(join(dir, 'socks'), 'https://c.example', {}, { 'proxy-url': 'socks5://127.0.0.1:1' }), /SOCKS/],
  ];
  await writeFile(
    join(dir, 'empty'),
    '{"apiVersion":"v1","kind":"Config","clusters":[],"users":[],"contexts":[],"current-context":"none"}',
  );
  faults.push([join(dir, 'empty'), /current context names no cluster/]);
  for (const [file, message] of faults) {
    await assert.rejects(
      open([file]).access(),
      (error: Error) => isOperatorError(error, 'config') && message.test(error.message),
      file,
    );
  }
});

test('plain HTTP is taken, as from kubectl proxy', async (t) => {
  const dir = await folder(t);
  const file = await kubeconfig(join(dir, 'config'), 'http://127.0.0.1:8001', { token: 'a' });
  assert.equal((await open([file]).access()).origin, 'http://127.0.0.1:8001');
});
