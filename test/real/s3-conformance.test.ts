import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, describe, type TestContext, test } from 'node:test';
import type { S3Config } from '../../registry/config/types.ts';
import { type Conformance, listed, runConformance } from '../support/conformance.ts';
import { startRegistry, temporaryFolder } from '../support/registry-process.ts';
import { startRoundRobin } from '../support/round-robin.ts';
import { uploadsIn } from '../support/s3-bucket.ts';
import { type S3Server, startS3, storageSection } from '../support/s3-server.ts';
import { skip } from '../support/tools.ts';

/** The conformance suite against Berth on a real S3 server. */

const s3 = await startS3();
after(() => ('reason' in s3 ? undefined : s3.stop()));

function need(t: TestContext): S3Server | undefined {
  if (!('reason' in s3)) return s3;
  skip(t, s3.reason);
  return undefined;
}

function expectClean(result: Conformance): void {
  assert.ok(result.counts.tests > 0, 'no test ran');
  assert.equal(result.counts.fail, 0, `failed:\n${listed(result, 'fail')}`);
  assert.equal(result.counts.skip, 0, `skipped:\n${listed(result, 'skip')}`);
  assert.equal(result.code, 0);
}

async function started(t: TestContext, bucket: S3Config, redirects = false) {
  const storage = { ...storageSection(bucket), redirect: { disable: !redirects } };
  return startRegistry(t, { root: join(await temporaryFolder(t), 'data'), config: { storage } });
}

describe('OCI distribution conformance of Berth on S3: 0 failed, 0 skipped', () => {
  test('two processes behind a balancer that alternates, below a root directory', async (t) => {
    const server = need(t);
    if (!server) return;
    const bucket = await server.bucket({ rootdirectory: 'registries/one' });
    const registries = [await started(t, bucket), await started(t, bucket)];
    const balancer = await startRoundRobin(t, registries);
    expectClean(await runConformance(balancer.url, '--strict', 'berth', '--keep'));
    assert.ok(
      balancer.counts.every((count) => count > 1000),
      `requests by server: ${balancer.counts.join(', ')}`,
    );
    for (const registry of registries) assert.deepEqual(registry.complaints(), []);
    assert.deepEqual(await uploadsIn(server.client, bucket.bucket), [], 'multipart uploads were left');
  });

  test('clients are sent to the bucket for blobs', async (t) => {
    const server = need(t);
    if (!server) return;
    const registry = await started(t, await server.bucket(), true);
    expectClean(await runConformance(registry.url, '--strict', 'berth', '--keep', '--group', 'redirect'));
    assert.deepEqual(registry.complaints(), []);
  });
});
