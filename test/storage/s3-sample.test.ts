/** The sample configuration for S3 is read as it stands. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { loadConfig } from '../../registry/config/load.ts';

test('docs/samples/storage-s3.yml: no fault, no warning, credentials from the environment', async () => {
  const path = new URL('../../docs/samples/storage-s3.yml', import.meta.url).pathname;
  const env = { REGISTRY_STORAGE_S3_ACCESSKEY: 'id', REGISTRY_STORAGE_S3_SECRETKEY: 'secret' };
  const { config, warnings } = await loadConfig(path, env);
  assert.deepEqual(warnings, []);
  const { driver } = config.storage;
  assert.ok(driver.type === 's3');
  assert.deepEqual([driver.bucket, driver.accesskey, driver.secretkey], ['my-registry', 'id', 'secret']);
});
