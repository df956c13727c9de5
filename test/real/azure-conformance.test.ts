import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, describe, type TestContext, test } from 'node:test';
import type { AzureConfig } from '../../registry/config/types.ts';
import { type Azurite, azureSection, startAzurite } from '../support/azurite.ts';
import { expectClean, runConformance } from '../support/conformance.ts';
import { startRegistry, temporaryFolder } from '../support/registry-process.ts';
import { startRoundRobin } from '../support/round-robin.ts';
import { missing } from '../support/tools.ts';

/** The conformance suite against Berth on Azurite. */

/** Without the many images of `formats`, unless time is no matter: an emulator answers a thousand calls a second. */
const long = process.env['BERTH_LONG'] === '1';
const chosen = long ? [] : ['--only', '\\[(B|P|T|R|D|M)\\d+\\]'];

const skip = await missing('azurite-blob');
let azurite: Promise<Azurite> | undefined;
after(async () => (await azurite)?.stop());

async function started(t: TestContext, container: AzureConfig, redirects = false) {
  const storage = { ...azureSection(container), redirect: { disable: !redirects } };
  return startRegistry(t, { root: join(await temporaryFolder(t), 'data'), config: { storage } });
}

async function container(over?: Partial<AzureConfig>): Promise<AzureConfig> {
  azurite ??= startAzurite();
  return (await azurite).container(over);
}

describe('OCI distribution conformance of Berth on Azure: 0 failed, 0 skipped', { skip }, () => {
  test(`two processes behind a balancer that alternates, below a root directory${long ? '' : ' (formats with BERTH_LONG=1)'}`, async (t) => {
    const config = await container({ rootdirectory: 'registries/one' });
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

  test('clients are sent to the container for blobs', async (t) => {
    const registry = await started(t, await container(), true);
    expectClean(await runConformance(registry.url, '--strict', 'berth', '--keep', '--group', 'redirect'));
    assert.deepEqual(registry.complaints(), []);
  });
});
