import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { upCommand } from '../../../operator/local/up.ts';
import { recordedIo, registryFile } from './io.ts';

const operator = new URL('../../../bin/operator', import.meta.url).pathname;
const persistent = {
  storage: { type: 'PersistentVolume', persistentVolume: { claimTemplate: { size: '1Gi' } } },
};

async function folder(t: TestContext): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'berth-up-'));
  t.after(() => rm(path, { recursive: true, force: true }));
  return path;
}

interface Running {
  readonly process: ChildProcess;
  /** Waits until the output matches at or behind the place where the last match ended. */
  said(pattern: RegExp): Promise<RegExpExecArray>;
  output(): string;
  /** Ctrl-C; the exit code. */
  interrupt(): Promise<number | null>;
}

/** `bin/operator up` as a process of its own, ended with the test. */
function start(t: TestContext, args: readonly string[], env: Record<string, string> = {}): Running {
  const child = spawn(operator, ['up', ...args], {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  let seen = 0;
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (output += chunk));
  const exited = once(child, 'exit');
  t.after(async () => {
    child.kill('SIGTERM');
    await exited;
  });
  return {
    process: child,
    output: () => output,
    said: async (pattern) => {
      for (const end = performance.now() + 60_000; performance.now() < end; await sleep(50)) {
        const match = pattern.exec(output.slice(seen));
        if (match) {
          seen += match.index + match[0].length;
          return match;
        }
        assert.equal(child.exitCode, null, `it ended:\n${output}`);
      }
      throw new Error(`it never said ${pattern}:\n${output}`);
    },
    interrupt: async () => {
      child.kill('SIGINT');
      const [code] = await exited;
      return code;
    },
  };
}

async function pushBlob(url: string, text: string): Promise<string> {
  const digest = `sha256:${createHash('sha256').update(text).digest('hex')}`;
  const begun = await fetch(`${url}/v2/test/blobs/uploads/`, { method: 'POST' });
  const location = new URL(begun.headers.get('location') ?? '', url);
  assert.equal(location.origin, url, 'URLs in answers lead back to this machine');
  location.searchParams.set('digest', digest);
  const put = await fetch(location, { method: 'PUT', body: text });
  assert.equal(put.status, 201);
  return digest;
}

test('it comes up, takes a push, restarts a crashed server, ends on Ctrl-C and finds its data again', async (t) => {
  const data = await folder(t);
  const file = join(data, 'registry.yaml');
  await writeFile(file, registryFile({ ...persistent, http: { host: 'https://registry.example.com' } }));
  const args = ['-f', file, '--data', join(data, 'kept'), '--port', '0', '-v'];

  const first = start(t, args, { REGISTRY_HTTP_PREFIX: '/elsewhere/' });
  const [, pid = ''] = await first.said(/started, process (\d+)/);
  const [, url = ''] = await first.said(/^ready (http:\/\/127\.0\.0\.1:\d+)$/m);
  await first.said(/skopeo copy --dest-tls-verify=false docker:\/\/IMAGE docker:\/\/127\.0\.0\.1:\d+\/IMAGE/);
  const digest = await pushBlob(url, 'kept across runs');

  process.kill(Number(pid), 'SIGKILL');
  await first.said(/the server ended with signal SIGKILL; starting it again in 1 s/);
  await first.said(/^ready /m);
  assert.equal((await fetch(`${url}/v2/test/blobs/${digest}`)).status, 200);

  assert.equal(await first.interrupt(), 0);
  assert.match(first.output(), /ended; the images stay in /);
  await assert.rejects(fetch(`${url}/v2/`), 'the server has ended with its supervisor');

  const secret = join(data, 'kept/secrets/local-http/secret');
  const value = await readFile(secret, 'utf8');
  assert.equal((await stat(secret)).mode & 0o777, 0o600);
  assert.ok(value.length >= 32 && !first.output().includes(value), 'the secret is never shown');
  assert.match(first.output(), /REGISTRY_HTTP_SECRET=\(Secret local-http, key secret\)/);

  const second = start(t, args);
  const [, again = ''] = await second.said(/^ready (\S+)$/m);
  assert.equal(await (await fetch(`${again}/v2/test/blobs/${digest}`)).text(), 'kept across runs');
  assert.equal(await readFile(secret, 'utf8'), value, 'the secret is made once');
  assert.equal(await second.interrupt(), 0);
});

test('a port in use is said before anything is started', async (t) => {
  const holder = createServer().listen(0, '127.0.0.1');
  await once(holder, 'listening');
  t.after(() => holder.close());
  const { port } = holder.address() as { port: number };
  const io = recordedIo({ input: registryFile(persistent) });
  assert.equal(await upCommand(['-f', '-', '--data', await folder(t), '--port', String(port)], io), 2);
  assert.match(io.err(), new RegExp(`port ${port} of 127.0.0.1 is in use: .*--port`));
  assert.equal(io.out(), '');
});

test('a server that never becomes ready ends the command with 1, its words on screen', async (t) => {
  const spec = { ...persistent, config: { extra: { auth: { htpasswd: { realm: 'r', path: '/nowhere' } } } } };
  const io = recordedIo({ input: registryFile(spec) });
  assert.equal(await upCommand(['-f', '-', '--data', await folder(t), '--port', '0'], io), 1);
  assert.match(io.err(), /auth/);
  assert.match(io.err(), /operator up: the server ended with code 1 before it was ready/);
});

test('a Secret that the Registry names is a file in the data folder; a missing one is named', async (t) => {
  const data = await folder(t);
  const valueFrom = { secretKeyRef: { name: 'redis', key: 'password' } };
  const spec = { ...persistent, podTemplate: { extraEnv: [{ name: 'REGISTRY_REDIS_PASSWORD', valueFrom }] } };
  const io = recordedIo({ input: registryFile(spec) });
  assert.equal(await upCommand(['-f', '-', '--data', data, '--port', '0'], io), 2);
  assert.match(io.err(), /the Secret redis has no key password: put the value into .*\/secrets\/redis\/password/);
});

test('a refused Registry, several Registries and mistaken options are said', async () => {
  const cases: readonly [readonly string[], string, number, RegExp][] = [
    [['-f', '-'], registryFile({ storage: { type: 'Disk' } }), 1, /spec\.storage\.type: must be one of/],
    [['-f', '-'], `${registryFile(persistent)}\n---\n${registryFile(persistent)}`, 2, /one Registry, not several/],
    [['-f', '-', '--port', '70000'], registryFile(persistent), 2, /--port must be a number from 0 to 65535/],
    [['--data', 'x'], '', 2, /-f is missing/],
  ];
  for (const [argv, input, code, expected] of cases) {
    const io = recordedIo({ input });
    assert.equal(await upCommand(argv, io), code);
    assert.match(io.err(), expected);
  }
});
