import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { mkdtemp, readdir, readlink, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { requireApiServer } from '../support/apiserver.ts';
import { eventually } from '../support/eventually.ts';
import { requireTool, skip } from '../support/tools.ts';
import { lock } from '../tools/lock.ts';

const run = promisify(execFile);

const widgets = JSON.stringify({
  apiVersion: 'apiextensions.k8s.io/v1',
  kind: 'CustomResourceDefinition',
  metadata: { name: 'widgets.lab.example' },
  spec: {
    group: 'lab.example',
    scope: 'Namespaced',
    names: { kind: 'Widget', plural: 'widgets', singular: 'widget' },
    versions: [
      {
        name: 'v1',
        served: true,
        storage: true,
        schema: {
          openAPIV3Schema: {
            type: 'object',
            properties: {
              spec: {
                type: 'object',
                properties: { size: { type: 'integer' } },
                'x-kubernetes-validations': [{ rule: 'self.size <= 3', message: 'a widget holds three at most' }],
              },
            },
          },
        },
      },
    ],
  },
});
const widget = (name: string, size: number) =>
  JSON.stringify({ apiVersion: 'lab.example/v1', kind: 'Widget', metadata: { name }, spec: { size } });

test('clients and peers run and say the pinned version', async (t) => {
  const paths = await requireTool(t, 'crane', 'regctl', 'distribution', 'docker-registry', 'skopeo', 'nginx', 'wrk');
  if (!paths) return;
  const says = async (path: string, ...args: string[]) => {
    // wrk prints its version as a usage error.
    const { stdout, stderr } = await run(path, args).catch((error: { stdout: string; stderr: string }) => error);
    return stdout + stderr;
  };
  assert.match(await says(paths.crane, 'version'), /^v0\.22\.1$/m);
  assert.match(await says(paths.regctl, 'version'), /v0\.11\.7/);
  assert.match(await says(paths.distribution, '--version'), /v3\.1\.2$/m);
  assert.match(await says(paths['docker-registry'], '--version'), /2\.8\./);
  assert.match(await says(paths.skopeo, '--version'), /skopeo version 1\./);
  assert.match(await says(paths.nginx, '-v'), /nginx\/1\./);
  assert.match(await says(paths.wrk, '-v'), /^wrk /m);
});

test('a lock is free again after its holder was killed', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'berth-lock-'));
  t.after(() => rm(folder, { recursive: true }));
  const path = join(folder, 'lock');
  const source = `const { lock } = await import(${JSON.stringify(import.meta.resolve('../tools/lock.ts'))});
    console.log((await lock(${JSON.stringify(path)})).held); setInterval(() => {}, 1000);`;
  const holder = spawn(process.execPath, ['--input-type=module', '-e', source], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  t.after(() => holder.kill('SIGKILL'));
  const held = await new Promise<string>((resolve) => holder.stdout.setEncoding('utf8').once('data', resolve));
  if (held.trim() !== 'true') return skip(t, 'this machine has no flock, so nothing is locked');
  let waited = false;
  const second = lock(path, {
    waiting: () => {
      waited = true;
    },
  });
  await eventually(async () => assert.ok(waited));
  holder.kill('SIGKILL');
  await (await second).release();
});

test('an interrupted build is never taken for a finished one, and two builders at once share one build', async (t) => {
  // Its compiled packages are in Go's own cache by now, so that only linking is left: a second or two.
  if (!(await requireTool(t, 'crane'))) return;
  const cache = await mkdtemp(join(tmpdir(), 'berth-tools-'));
  t.after(() => rm(cache, { recursive: true, force: true }));
  const script = fileURLToPath(import.meta.resolve('../tools/build.ts'));
  const build = () => {
    const child = spawn(process.execPath, [script, 'clients'], { env: { ...process.env, BERTH_TOOLS: cache } });
    t.after(() => child.kill('SIGKILL'));
    const said = { stdout: '', stderr: '' };
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      said.stdout += text;
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      said.stderr += text;
    });
    const ended = new Promise<number | null>((resolve) => child.on('close', resolve));
    return { child, said, ended };
  };
  const finished = async () => (await readdir(cache)).filter((name) => name.startsWith('clients-'));

  const first = build();
  await eventually(() => assert.match(first.said.stderr, /compiling/));
  first.child.kill('SIGKILL');
  await first.ended;
  assert.deepEqual(await finished(), []);
  assert.equal((await readdir(cache)).filter((name) => name.startsWith('.partial-')).length, 1);

  const builders = [build(), build()];
  for (const { ended } of builders) assert.equal(await ended, 0);
  assert.equal((await finished()).length, 1);
  const compiled = builders.filter(({ said }) => said.stderr.includes('compiling'));
  assert.equal(compiled.length, 1, 'the second builder waits for the first one');
  assert.deepEqual(
    (await readdir(cache)).filter((name) => name.startsWith('.partial-')),
    [],
    'leftovers are removed',
  );
});

test('an API server of its own: CRD, CEL, audit, restart and freeze', async (t) => {
  const server = await requireApiServer(t, { audit: true });
  if (!server) return;
  const version = JSON.parse(await server.kubectl(['version', '-o', 'json'])) as {
    serverVersion: { gitVersion: string };
  };
  assert.equal(version.serverVersion.gitVersion, 'v1.36.3');

  await server.kubectl(['apply', '-f', '-'], { input: widgets });
  await server.kubectl(['wait', '--for=condition=Established', 'crd/widgets.lab.example', '--timeout=30s']);
  await eventually(async () => {
    await server.kubectl(['apply', '-f', '-'], { input: widget('small', 3) });
  });
  await assert.rejects(
    server.kubectl(['apply', '-f', '-'], { input: widget('large', 4) }),
    /a widget holds three at most/,
  );

  const created = (await server.requests()).filter(
    (event) => event.objectRef?.resource === 'widgets' && event.responseStatus?.code === 201,
  );
  assert.equal(created.length, 1);
  assert.match(created[0]?.userAgent ?? '', /^kubectl/);

  await server.kill();
  await assert.rejects(server.kubectl(['get', 'widgets']), /refused/);
  await server.start();
  assert.equal(await server.kubectl(['get', 'widgets', '-o', 'name']), 'widget.lab.example/small\n');

  server.pause();
  await assert.rejects(server.kubectl(['get', 'widgets', '--request-timeout=1s']), /[Tt]imeout|deadline/);
  server.resume();
  await eventually(async () => {
    await server.kubectl(['get', 'widgets']);
  });
});

test('no server outlives a killed test', async (t) => {
  if (!(await requireTool(t, 'etcd', 'kube-apiserver', 'kubectl'))) return;
  const source = `const { startApiServer } = await import(${JSON.stringify(import.meta.resolve('../support/apiserver.ts'))});
    console.log((await startApiServer()).folder); setInterval(() => {}, 1000);`;
  const owner = spawn(process.execPath, ['--input-type=module', '-e', source], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  t.after(() => owner.kill('SIGKILL'));
  const folder = (
    await new Promise<string>((resolve) => owner.stdout.setEncoding('utf8').once('data', resolve))
  ).trim();
  t.after(() => rm(folder, { recursive: true, force: true }));
  assert.equal((await processesIn(folder)).length, 2);
  owner.kill('SIGKILL');
  await eventually(async () => assert.deepEqual(await processesIn(folder), []));
});

/** The ids of processes whose working folder is `folder`. */
async function processesIn(folder: string): Promise<string[]> {
  const found: string[] = [];
  for (const pid of (await readdir('/proc')).filter((name) => /^\d+$/.test(name))) {
    const cwd = await readlink(`/proc/${pid}/cwd`).catch(() => '');
    if (cwd === folder) found.push(pid);
  }
  return found;
}
