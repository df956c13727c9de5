import assert from 'node:assert/strict';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { type Conformance, listed, runConformance } from '../support/conformance.ts';
import { startRegistry, temporaryFolder } from '../support/registry-process.ts';
import { startRoundRobin } from '../support/round-robin.ts';
import { startStaticFiles } from '../support/static-files.ts';

/** Clients that are sent elsewhere for blobs: the storage middlewares over a file server that stands for a CDN. */

function expectClean(result: Conformance): void {
  assert.ok(result.counts.tests >= 8, `${result.counts.tests} tests ran`);
  assert.equal(result.counts.fail, 0, `failed:\n${listed(result, 'fail')}`);
  assert.equal(result.counts.skip, 0, `skipped:\n${listed(result, 'skip')}`);
}

const redirecting = ['--group', 'redirect', '--strict', 'berth'];

async function rig(t: TestContext, middlewares: (files: string) => readonly object[], storage: object = {}) {
  const root = join(await temporaryFolder(t), 'data');
  const files = await startStaticFiles(t, root, '/cdn');
  const config = { middleware: { storage: middlewares(files.url) }, storage };
  return { files, start: () => startRegistry(t, { root, config }) };
}

const named = (name: string, options: object, more: object = {}) => ({ name, options, ...more });

describe('redirects', () => {
  test('middleware redirect, two processes behind a balancer: the conformance group', async (t) => {
    const { files, start } = await rig(t, (url) => [named('redirect', { baseurl: `${url}/cdn/` })]);
    const servers = [await start(), await start()];
    const balancer = await startRoundRobin(t, servers);
    expectClean(await runConformance(balancer.url, ...redirecting));
    assert.ok(
      files.asked.every((path) => /^\/cdn\/docker\/registry\/v2\/blobs\/sha256\/..\/[0-9a-f]{64}\/data$/.test(path)),
    );
    assert.equal(files.withCredentials(), 0);
    for (const server of servers) assert.deepEqual(server.complaints(), []);
  });

  test('several middlewares apply in their order, and a disabled one not at all', async (t) => {
    const { files, start } = await rig(t, (url) => [
      named('redirect', { baseurl: 'https://bucket.invalid/cut/cdn' }),
      named('redirect', { baseurl: 'https://another.invalid' }, { disabled: true }),
      named('rewrite', { scheme: 'http', host: new URL(url).host, trimpathprefix: '/cut' }),
    ]);
    expectClean(await runConformance((await start()).url, ...redirecting));
    assert.ok(files.asked.length > 0);
  });

  test('storage.redirect.disable: everything is served here', async (t) => {
    const redirect = { redirect: { disable: true } };
    const { files, start } = await rig(t, (url) => [named('redirect', { baseurl: `${url}/cdn` })], redirect);
    const server = await start();
    const result = await runConformance(server.url, '--strict', 'berth', '--only', '\\[P[56]\\]');
    expectClean(result);
    assert.deepEqual(files.asked, []);
  });
});
