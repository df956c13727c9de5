/**
 * What an operator of Distribution 3.1 has built dashboards, alerts and searches on is found at Berth as well: the same
 * requests to both, and then their metrics, logs, access logs and debug pages side by side.
 */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import { stablePort } from '../support/apiserver-process.ts';
import { eventually } from '../support/eventually.ts';
import { createPushClient, digestOf } from '../support/push-client.ts';
import { temporaryFolder } from '../support/registry-process.ts';
import { missing, tool } from '../support/tools.ts';

interface Side {
  readonly child: ChildProcess;
  readonly url: string;
  readonly debug: string;
  readonly said: { stdout: string; stderr: string };
}

const launcher = new URL('../../bin/registry', import.meta.url).pathname;

async function start(command: string, folder: string, name: string): Promise<Side> {
  const [port, debugPort] = [await stablePort(), await stablePort()];
  const path = join(folder, `${name}.json`);
  const config = {
    version: '0.1',
    log: { level: 'info', formatter: 'json', fields: { service: 'registry' } },
    storage: {
      filesystem: { rootdirectory: join(folder, name) },
      delete: { enabled: true },
      cache: { blobdescriptor: 'inmemory' },
    },
    http: {
      addr: `127.0.0.1:${port}`,
      secret: 'shared',
      debug: { addr: `127.0.0.1:${debugPort}`, prometheus: { enabled: true } },
    },
    health: { storagedriver: { enabled: true, interval: '1s' } },
  };
  await writeFile(path, JSON.stringify(config));
  const child = spawn(command, ['serve', path], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, OTEL_TRACES_EXPORTER: 'none' },
  });
  const said = { stdout: '', stderr: '' };
  for (const stream of ['stdout', 'stderr'] as const) {
    child[stream].setEncoding('utf8').on('data', (chunk: string) => {
      said[stream] += chunk;
    });
  }
  return { child, url: `http://127.0.0.1:${port}`, debug: `http://127.0.0.1:${debugPort}`, said };
}

const layer = Buffer.alloc(100_000, 'layer');
const absent = `sha256:${'0'.repeat(64)}`;

/** What a pull and a push bring about, and their usual faults. */
async function use({ url }: Side): Promise<void> {
  const headers = { 'user-agent': 'probe/1', referer: 'https://ui.example/images', 'x-forwarded-for': '192.0.2.9' };
  const ask = async (method: string, path: string, body?: string): Promise<void> => {
    const answer = await fetch(`${url}${path}`, { method, headers, ...(body === undefined ? {} : { body }) });
    await answer.arrayBuffer();
  };
  for (const path of ['/', '/v2/', '/v2/_catalog', '/nowhere', '/v2/app/tags/list', '/v2/app/manifests/none']) {
    await ask('GET', path);
  }
  const client = createPushClient(url);
  await client.finishUpload(await client.beginUpload('app'), digestOf(layer), layer);
  await client.close();
  await ask('HEAD', `/v2/app/blobs/${digestOf(layer)}`);
  await ask('GET', `/v2/app/blobs/${digestOf(layer)}`);
  await ask('GET', `/v2/app/blobs/${absent}`);
  await ask('DELETE', `/v2/app/blobs/${digestOf(layer)}`);
  await ask('PUT', '/v2/app/manifests/bad', '{}');
}

suite('beside Distribution 3.1', { skip: await missing('distribution') }, () => {
  let theirs: Side;
  let ours: Side;

  before(async () => {
    const folder = await temporaryFolder({ after });
    const program = await tool('distribution');
    assert.ok(typeof program === 'string');
    theirs = await start(program, folder, 'theirs');
    ours = await start(launcher, folder, 'ours');
    for (const side of [theirs, ours]) {
      await eventually(async () => assert.equal((await fetch(`${side.url}/v2/`)).status, 200, side.said.stderr));
      await use(side);
    }
    // Both have said everything once the last request is told.
    for (const { said } of [theirs, ours]) {
      await eventually(() => assert.match(said.stdout, /PUT \/v2\/app\/manifests\/bad/));
      await eventually(() => assert.match(said.stderr, /manifests\/bad/));
    }
  });

  after(async () => {
    for (const side of [theirs, ours]) {
      if (side === undefined || side.child.exitCode !== null) continue;
      const ended = new Promise((resolve) => side.child.once('close', resolve));
      side.child.kill('SIGKILL');
      await ended;
    }
  });

  test('every series of theirs is one of ours: names, labels, buckets', async () => {
    const series = async ({ debug }: Side): Promise<Set<string>> => {
      const text = await (await fetch(`${debug}/metrics`)).text();
      const names = [...text.matchAll(/^(registry_[a-z_]+)(?:\{(.*)\})? /gm)].map(
        ([, name, labels = '']) =>
          `${name} ${labels
            .split(/,(?=[a-z]+=)/)
            .sort()
            .join(' ')}`,
      );
      return new Set(names);
    };
    const [found, offered] = [await series(theirs), await series(ours)];
    assert.ok(found.size > 300, `${found.size} series`);
    const absent = [...found].filter((name) => !offered.has(name));
    // A pull-through cache is configured at neither; their counters of it are there all the same.
    assert.deepEqual(
      absent.filter((name) => !name.startsWith('registry_proxy_') && !isOwnWay(name)),
      [],
    );
  });

  test('the access log has the same lines', () => {
    const lines = ({ said }: Side) =>
      said.stdout
        .split('\n')
        .filter((line) => !line.includes('/blobs/uploads/'))
        .map((line) => line.replace(/\[.*?\]/, '[time]').replace(/ ([45]\d\d) \d+ /, ' $1 BYTES '));
    const [found, offered] = [lines(theirs), lines(ours)];
    assert.ok(found.length > 10);
    assert.deepEqual(new Set(offered), new Set(found));
    assert.equal(ours.said.stdout.includes('_state=ey'), false);
  });

  test('the lines of a request have the same message, level, code and fields', () => {
    const told = ({ said }: Side) =>
      said.stderr
        .split('\n')
        .filter((line) => line.includes('"http.request.useragent":"probe/1"'))
        .map((line) => JSON.parse(line) as Record<string, unknown>)
        .filter(({ msg }) => String(msg).startsWith('response completed'))
        .map((line) => {
          const { level, msg, 'http.request.uri': uri, 'http.request.method': method, 'err.code': code } = line;
          // 3.1 repeats the fields of the language's runtime in each line; here there is no Go.
          const names = Object.keys(line).filter((name) => name !== 'go.version' && name !== 'err.detail');
          return JSON.stringify({ method, uri, level, msg, code, names: names.sort() });
        });
    const [found, offered] = [told(theirs), told(ours)];
    assert.ok(found.length >= 8, `${found.length} lines`);
    assert.deepEqual(offered, found);
  });

  test('the debug pages have the same shape', async () => {
    for (const page of ['/debug/health', '/debug/vars']) {
      const [found, offered] = await Promise.all([theirs, ours].map(({ debug }) => fetch(debug + page)));
      assert.equal(offered?.status, found?.status);
      if (page === '/debug/health') assert.equal(await offered?.text(), await found?.text());
      else {
        const [one, other] = [await found?.json(), await offered?.json()] as { registry: object }[];
        assert.deepEqual(Object.keys(other ?? {}), Object.keys(one ?? {}));
        assert.deepEqual(other?.registry, one?.registry);
      }
    }
  });

  test('the start is told in the same words', () => {
    for (const { said } of [theirs, ours]) {
      assert.match(said.stderr, /"msg":"listening on 127\.0\.0\.1:\d+"/);
      assert.match(said.stderr, /"msg":"debug server listening 127\.0\.0\.1:\d+"/);
    }
  });
});

/** Which calls of the storage a request costs is each program's own affair. */
const isOwnWay = (name: string): boolean => name.startsWith('registry_storage_action_seconds');
