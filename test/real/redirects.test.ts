import assert from 'node:assert/strict';
import { createVerify, generateKeyPairSync } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, describe, type TestContext, test } from 'node:test';
import { type Conformance, listed, runConformance } from '../support/conformance.ts';
import { eventually } from '../support/eventually.ts';
import { createPushClient } from '../support/push-client.ts';
import { startRegistry, temporaryFolder } from '../support/registry-process.ts';
import { startRoundRobin } from '../support/round-robin.ts';
import { startS3, storageSection } from '../support/s3-server.ts';
import { startStaticFiles } from '../support/static-files.ts';
import { skip } from '../support/tools.ts';

/** Clients that are sent elsewhere for blobs: the storage middlewares over a file server that stands for a CDN. */

const s3 = await startS3();
after(() => ('reason' in s3 ? undefined : s3.stop()));

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

  test('cloudfront on S3: signed URLs, and the bucket itself for clients at addresses of Amazon', async (t) => {
    if ('reason' in s3) {
      skip(t, s3.reason);
      return;
    }
    const folder = await temporaryFolder(t);
    const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
    await writeFile(join(folder, 'key.pem'), privateKey.export({ type: 'pkcs1', format: 'pem' }));
    const ranges = JSON.stringify({
      prefixes: [{ ip_prefix: '198.51.100.0/24', region: 'us-east-1', service: 'EC2' }],
    });
    await writeFile(join(folder, 'ranges.json'), ranges);
    const files = await startStaticFiles(t, folder);
    const options = {
      baseurl: 'https://d111.cloudfront.example/',
      privatekey: join(folder, 'key.pem'),
      keypairid: 'APKAEXAMPLE',
      ipfilteredby: 'awsregion',
      awsregion: 'eu-central-1, US-EAST-1',
      iprangesurl: `${files.url}/ranges.json`,
    };
    const bucket = await s3.bucket({ rootdirectory: 'some/root' });
    const config = { storage: storageSection(bucket), middleware: { storage: [named('cloudfront', options)] } };
    const server = await startRegistry(t, { root: join(folder, 'data'), config });
    const client = createPushClient(server.url);
    t.after(() => client.close());
    const bytes = Buffer.from('a layer');
    const digest = await client.pushBlob('some/app', bytes);
    const location = async (headers: Record<string, string>): Promise<URL> => {
      const { headers: got } = await client.expect(307, 'GET', `/v2/some/app/blobs/${digest}`, { headers });
      assert.equal(got['docker-content-digest'], digest);
      return new URL(got['location'] ?? '');
    };

    for (const headers of [{}, { 'x-forwarded-for': '203.0.113.7, 198.51.100.7' }, { 'x-real-ip': 'no address' }]) {
      const url = await location(headers);
      const hex = digest.slice('sha256:'.length);
      const path = `/some/root/docker/registry/v2/blobs/sha256/${hex.slice(0, 2)}/${hex}/data`;
      assert.equal(url.origin + url.pathname, `https://d111.cloudfront.example${path}`);
      const expires = Number(url.searchParams.get('Expires'));
      assert.ok(Math.abs(expires - (Date.now() / 1000 + 1200)) < 60, `good until ${expires}`);
      const policy = `{"Statement":[{"Resource":"${url.origin}${path}","Condition":{"DateLessThan":{"AWS:EpochTime":${expires}}}}]}`;
      const signature = (url.searchParams.get('Signature') ?? '').replaceAll(
        /[-_~]/g,
        (sign) => ({ '-': '+', _: '=', '~': '/' })[sign] ?? '',
      );
      assert.ok(createVerify('RSA-SHA1').update(policy).verify(publicKey, signature, 'base64'));
    }
    for (const headers of [{ 'x-forwarded-for': '198.51.100.7, 203.0.113.7' }, { 'x-real-ip': '198.51.100.200' }]) {
      await eventually(async () => assert.equal((await location(headers)).origin, s3.endpoint));
      const answer = await fetch(await location(headers));
      assert.deepEqual(Buffer.from(await answer.arrayBuffer()), bytes);
    }
    assert.deepEqual(server.complaints(), []);
  });
});
