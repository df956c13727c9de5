/** kill -9 of the registry while clients push into a bucket. The S3 server lives on, and with it what was under way there. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { temporaryFolder } from '../support/registry-process.ts';
import { keysIn, uploadsIn } from '../support/s3-bucket.ts';
import { startS3, storageSection } from '../support/s3-server.ts';
import { skip } from '../support/tools.ts';
import { fight } from './campaign.ts';

const s3 = await startS3();
after(() => ('reason' in s3 ? undefined : s3.stop()));

for (const campaign of [
  { replicas: 1, pushes: Number(process.env['KILL_PUSHES'] || 25), kills: 8 },
  { replicas: 2, pushes: 12, kills: 4 },
]) {
  const who = campaign.replicas === 1 ? 'a server' : `${campaign.replicas} servers on one bucket`;
  test(`kill -9 of ${who} during random pushes: what was answered stays, no part of a torn push stays for ever`, async (t) => {
    if ('reason' in s3) return skip(t, s3.reason);
    const bucket = await s3.bucket();
    const root = join(await temporaryFolder(t), 'data');
    const config = { storage: { ...storageSection(bucket), redirect: { disable: true } } };
    const uploadsOf = async (name: string): Promise<readonly string[]> => {
      const folder = `docker/registry/v2/repositories/${name}/_uploads/`;
      const keys = (await keysIn(s3.client, bucket.bucket)).filter((key) => key.startsWith(folder));
      return [...new Set(keys.map((key) => key.slice(folder.length).split('/')[0] ?? ''))];
    };
    await fight(t, { ...campaign, longestLife: 2000, root, config, uploadsOf });
    // All that was unfinished has been cancelled by its id; multipart uploads went with it, by key and id.
    assert.deepEqual(await uploadsIn(s3.client, bucket.bucket), []);
    const left = (await keysIn(s3.client, bucket.bucket)).filter((key) => key.includes('/_uploads/'));
    assert.deepEqual(left, []);
  });
}
