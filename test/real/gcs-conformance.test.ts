import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, describe, type TestContext, test } from 'node:test';
import type { GcsConfig } from '../../registry/config/types.ts';
import { expectClean, runConformance } from '../support/conformance.ts';
import { type FakeGcs, gcsSection, startFakeGcs } from '../support/fake-gcs.ts';
import { startRegistry, temporaryFolder } from '../support/registry-process.ts';
import { startRoundRobin } from '../support/round-robin.ts';
import { missing } from '../support/tools.ts';

/**
 * The conformance suite against Berth on an emulator of GCS. Without redirects: their URLs are signed by who signs in, and
 * Google's client signs in at Google alone. `test/real/gcs-faults.test.ts` follows one.
 */

/** Without the many images of `formats`, unless time is no matter: the emulator looks through all objects for each call. */
const long = process.env['BERTH_LONG'] === '1';
const chosen = long ? [] : ['--only', '\\[(B|P|T|R|D|M)\\d+\\]'];

const skip = await missing('fake-gcs-server');
let emulator: Promise<FakeGcs> | undefined;
after(async () => (await emulator)?.stop());

async function started(t: TestContext, bucket: GcsConfig) {
  return startRegistry(t, { root: join(await temporaryFolder(t), 'data'), config: { storage: gcsSection(bucket) } });
}

async function bucket(over?: Partial<GcsConfig>): Promise<GcsConfig> {
  emulator ??= startFakeGcs();
  return (await emulator).bucket(over);
}

describe('OCI distribution conformance of Berth on GCS: 0 failed, 0 skipped', { skip }, () => {
  test(`two processes behind a balancer that alternates, below a root directory${long ? '' : ' (formats with BERTH_LONG=1)'}`, async (t) => {
    const config = await bucket({ rootdirectory: 'registries/one' });
    const registries = [await started(t, config), await started(t, config)];
    const balancer = await startRoundRobin(t, registries);
    const result = await runConformance(balancer.url, '--strict', 'berth', '--keep', ...chosen);
    expectClean(result);
    assert.ok(result.counts.tests > 200, `only ${result.counts.tests} tests`);
    assert.ok(
      balancer.counts.every((count) => count > 1000),
      `requests by server: ${balancer.counts.join(', ')}`,
    );
    for (const registry of registries) assert.deepEqual(registry.complaints(), []);
  });
});
