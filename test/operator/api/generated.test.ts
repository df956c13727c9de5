import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { DEFAULT_IMAGE } from '../../../operator/config.ts';

const root = new URL('../../../', import.meta.url);

test('the types and the reference are what npm run generate writes', async () => {
  await promisify(execFile)(process.execPath, ['crds/generate.ts', '--check'], { cwd: root.pathname });
});

test('the default image has the version of the package, in the manifests as well', () => {
  const { version } = JSON.parse(readFileSync(new URL('package.json', root), 'utf8'));
  assert.equal(DEFAULT_IMAGE, `localhost/berth:${version}`);
  const deployment = readFileSync(new URL('manifests/deployment.yaml', root), 'utf8');
  const images = [...deployment.matchAll(/localhost\/berth:\S+/g)].map(([image]) => image);
  assert.deepEqual(new Set(images), new Set([DEFAULT_IMAGE]));
});
