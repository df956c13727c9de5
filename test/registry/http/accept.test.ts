/** Accept headers for manifests. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseAccept } from '../../../registry/http/accept.ts';
import { mediaTypes } from '../../../registry/oci/manifest.ts';

const schema1 = 'application/vnd.docker.distribution.manifest.v1+json';

test('an OCI image is withheld from a client that names manifest types and not this one', () => {
  for (const header of [
    undefined,
    '',
    '*/*',
    'application/*',
    'text/html',
    `${mediaTypes.dockerManifest}, */*;q=0.1`,
  ]) {
    assert.ok(parseAccept(header).admits(mediaTypes.ociManifest), header);
  }
  for (const header of [mediaTypes.dockerManifest, mediaTypes.dockerList, mediaTypes.schema1, schema1]) {
    assert.ok(!parseAccept(header).admits(mediaTypes.ociManifest), header);
    assert.ok(parseAccept(header).admits(mediaTypes.dockerManifest), header);
    assert.ok(parseAccept(`${header}, ${mediaTypes.ociManifest};q=0.5`).admits(mediaTypes.ociManifest), header);
  }
});

test('a client of 2015 sends no header, or names schema 1 and nothing newer', () => {
  for (const header of [undefined, '', schema1, mediaTypes.schema1, 'application/json', 'text/html']) {
    const { newer, lists, schema2 } = parseAccept(header);
    assert.deepEqual({ newer, lists, schema2 }, { newer: false, lists: false, schema2: false }, header);
  }
  for (const header of ['*/*', 'application/*', `${schema1}, */*`]) {
    const { newer, lists, schema2 } = parseAccept(header);
    assert.deepEqual({ newer, lists, schema2 }, { newer: true, lists: true, schema2: true }, header);
  }
  assert.ok(parseAccept(`${schema1},${mediaTypes.dockerManifest.toUpperCase()} ; q=1`).schema2);
  assert.ok(!parseAccept(mediaTypes.dockerManifest).lists);
  assert.ok(parseAccept(mediaTypes.ociIndex).newer);
});
