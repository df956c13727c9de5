import assert from 'node:assert/strict';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { stablePort } from '../support/apiserver-process.ts';
import { type Conformance, listed, runConformance } from '../support/conformance.ts';
import { startRegistry, startServer, temporaryFolder } from '../support/registry-process.ts';
import { startRoundRobin } from '../support/round-robin.ts';
import { requireTool } from '../support/tools.ts';

/** The conformance suite over real sockets: Berth in each of its set-ups, and Distribution as proof that it can fail. */

const strict = ['--strict', 'berth', '--keep'];
const inMemory = { storage: { filesystem: undefined, inmemory: {} } };
const noReferences = { validation: { manifests: { references: 'none', indexes: { platforms: 'none' } } } };

function expectClean(result: Conformance): void {
  assert.ok(result.counts.tests > 0, 'no test ran');
  assert.equal(result.counts.fail, 0, `failed:\n${listed(result, 'fail')}`);
  assert.equal(result.counts.skip, 0, `skipped:\n${listed(result, 'skip')}`);
  assert.equal(result.code, 0);
}

async function started(t: TestContext, config: Record<string, unknown> = {}, folder?: string) {
  return startRegistry(t, { root: join(folder ?? (await temporaryFolder(t)), 'data'), config });
}

describe('OCI distribution conformance of Berth: 0 failed, 0 skipped', () => {
  test('in memory', async (t) => {
    const server = await started(t, inMemory);
    expectClean(await runConformance(server.url, ...strict));
    assert.deepEqual(server.complaints(), []);
  });

  test('on a filesystem, one process', async (t) => {
    const server = await started(t);
    expectClean(await runConformance(server.url, ...strict));
    assert.deepEqual(server.complaints(), []);
  });

  test('on a filesystem, two processes behind a balancer that alternates', async (t) => {
    const folder = await temporaryFolder(t);
    const servers = [await started(t, {}, folder), await started(t, {}, folder)];
    const balancer = await startRoundRobin(t, servers);
    expectClean(await runConformance(balancer.url, ...strict));
    assert.ok(
      balancer.counts.every((count) => count > 1000),
      `requests by server: ${balancer.counts.join(', ')}`,
    );
    for (const server of servers) assert.deepEqual(server.complaints(), []);
  });

  for (const [storage, config] of [
    ['in memory', inMemory],
    ['on a filesystem', {}],
  ] as const) {
    test(`with references and platforms unchecked, ${storage}: sparse content too`, async (t) => {
      const server = await started(t, { ...config, ...noReferences });
      const result = await runConformance(server.url, ...strict, '--sparse');
      expectClean(result);
      const sparse = result.results.filter(({ name }) => name.includes('data set sparse-'));
      assert.equal(sparse.length, 2);
    });
  }

  test('with deleting disabled', async (t) => {
    const server = await started(t, { storage: { ...inMemory.storage, delete: { enabled: false } } });
    expectClean(await runConformance(server.url, ...strict, '--delete-disabled'));
  });
});

describe('the conformance suite can fail', () => {
  test('Distribution 3.1 fails where it is known to differ, and nowhere at the base of the API', async (t) => {
    const found = await requireTool(t, 'distribution');
    if (!found) return;
    const { url } = await startDistribution(t, found.distribution, await temporaryFolder(t));
    const result = await runConformance(url, '--keep');
    const outcome = (part: string) =>
      new Set(result.results.filter(({ name }) => name.includes(part)).map((r) => r.outcome));
    assert.notEqual(result.code, 0);
    for (const part of [
      '[R4] referrers of an unknown digest',
      '[M1] PUT of a manifest by sha512 digest',
      '[M8] OCI-Subject on the push of an image with a sha256 subject',
      '[B7] malformed Content-Range "bytes 0-1"',
      '[G2] If-None-Match never stands for existence',
      'data set non-distributable-layers',
      'data set sha512',
    ]) {
      assert.deepEqual([...outcome(part)], ['fail'], part);
    }
    for (const part of ['[G4] base URL answers', '[P1] GET of a manifest by tag and by digest', 'data set image:']) {
      assert.deepEqual([...outcome(part)], ['pass'], part);
    }
    for (const part of ['[B3] sha256 blob by a single POST', '[M6] PUT by sha256 digest with 1 tags']) {
      assert.deepEqual([...outcome(part)], ['skip'], part);
    }
  });

  test('a server that is no registry fails nearly everywhere, and no server at all is an error', async (t) => {
    const port = await stablePort();
    const nothing = await runConformance(`http://127.0.0.1:${port}`).catch((error: Error) => error.message);
    assert.match(String(nothing), /ended with 2: .*is it running\?/);
    const server = await started(t, inMemory);
    const wrong = await runConformance(`${server.url}/not-there`, '--only', '\\[(G4|P1|B2|B3|T1)\\]', '--keep');
    assert.ok(wrong.counts.fail > wrong.counts.tests / 2, JSON.stringify(wrong.counts));
  });
});

test('referrers that clients left with Distribution 3.1 on the same storage are listed', async (t) => {
  const found = await requireTool(t, 'distribution');
  if (!found) return;
  const folder = await temporaryFolder(t);
  const old = await startDistribution(t, found.distribution, folder);
  const server = await started(t, {}, folder);
  expectClean(await runConformance(server.url, ...strict, '--group', 'upgrade', '--peer', old.url));
});

async function startDistribution(t: TestContext, program: string, folder: string) {
  const port = await stablePort();
  const root = join(folder, 'data');
  await mkdir(root, { recursive: true });
  const file = join(folder, 'distribution.json');
  const config = {
    version: '0.1',
    log: { level: 'error', accesslog: { disabled: true } },
    storage: { filesystem: { rootdirectory: root }, delete: { enabled: true } },
    http: { addr: `127.0.0.1:${port}`, secret: 'a secret' },
  };
  await writeFile(file, JSON.stringify(config));
  return startServer(t, { command: [program, 'serve', file], port });
}
