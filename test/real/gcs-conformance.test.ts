import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, describe, type TestContext, test } from 'node:test';
import type { GcsConfig } from '../../registry/config/types.ts';
import { expectClean, runConformance } from '../support/conformance.ts';
import { type FakeGcs, gcsSection, startFakeGcs } from '../support/fake-gcs.ts';
import { startRegistry, temporaryFolder } from '../support/registry-process.ts';
import { startRoundRobin } from '../support/round-robin.ts';
import { missing } from '../support/tools.ts';

/** The conformance suite against Berth on an emulator of GCS. */

const skip = await missing('fake-gcs-server');
let emulator: Promise<FakeGcs> | undefined;
after(async () => (await emulator)?.stop());

async function started(t: TestContext, bucket: GcsConfig, redirects = false) {
  const storage = { ...gcsSection(bucket), redirect: { disable: !redirects } };
  return startRegistry(t, { root: join(await temporaryFolder(t), 'data'), config: { storage } });
}

async function bucket(over?: Partial<GcsConfig>): Promise<GcsConfig> {
  emulator ??= startFakeGcs();
  return (await emulator).bucket(over);
}

describe('OCI distribution conformance of Berth on GCS: 0 failed, 0 skipped', { skip }, () => {
  test('two processes behind a balancer that alternates, below a root directory', async (t) => {
    const config = await bucket({ rootdirectory: 'registries/one' });
    const registries = [await started(t, config), await started(t, config)];
    const balancer = await startRoundRobin(t, registries);
    expectClean(await runConformance(balancer.url, '--strict', 'berth', '--keep'));
    assert.ok(
      balancer.counts.every((count) => count > 1000),
      `requests by server: ${balancer.counts.join(', ')}`,
    );
    for (const registry of registries) assert.deepEqual(registry.complaints(), []);
  });

  test('clients are sent to the bucket for blobs', async (t) => {
    const registry = await started(t, await bucket(), true);
    expectClean(await runConformance(registry.url, '--strict', 'berth', '--keep', '--group', 'redirect'));
    assert.deepEqual(registry.complaints(), []);
  });
});
