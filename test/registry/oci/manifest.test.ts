import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RegistryError } from '../../../registry/oci/error.ts';
import { type ManifestMediaType, mediaTypes, parseManifest } from '../../../registry/oci/manifest.ts';

const digest = `sha256:${'0'.repeat(64)}`;
const descriptor = { mediaType: 'application/x', digest, size: 3 };
const image = { schemaVersion: 2, mediaType: mediaTypes.ociManifest, config: descriptor, layers: [descriptor] };
const index = { schemaVersion: 2, mediaType: mediaTypes.ociIndex, manifests: [descriptor] };

const parse = (value: unknown, type?: ManifestMediaType) => parseManifest(Buffer.from(JSON.stringify(value)), type);

function refused(value: unknown, type: ManifestMediaType | undefined, code = 'MANIFEST_INVALID'): void {
  assert.throws(
    () => parse(value, type),
    (error) => error instanceof RegistryError && error.code === code,
    JSON.stringify(value),
  );
}

test('an image and an index are read, unknown properties and all', () => {
  const parsed = parse({ ...image, extra: { deep: [1] }, annotations: { a: 'b' } }, mediaTypes.ociManifest);
  assert.equal(parsed.config?.digest, digest);
  assert.equal(parsed.layers.length, 1);
  assert.deepEqual(parsed.annotations, { a: 'b' });
  assert.equal(parse(index, mediaTypes.ociIndex).children[0]?.digest, digest);
});

test('empty and null lists are lists', () => {
  assert.equal(parse({ ...image, layers: [] }, mediaTypes.ociManifest).layers.length, 0);
  assert.equal(parse({ ...image, layers: null }, mediaTypes.ociManifest).layers.length, 0);
  assert.equal(parse({ ...index, manifests: [] }, mediaTypes.ociIndex).children.length, 0);
});

test('mediaType: OCI may leave it out, Docker may not, a contradiction is refused', () => {
  const { mediaType: _, ...bare } = image;
  assert.equal(parse(bare, mediaTypes.ociManifest).mediaType, mediaTypes.ociManifest);
  refused(bare, mediaTypes.dockerManifest);
  refused(image, mediaTypes.dockerManifest);
  refused(image, mediaTypes.ociIndex);
});

test('a stored manifest tells its own type', () => {
  assert.equal(parse({ schemaVersion: 2, manifests: [] }).mediaType, mediaTypes.ociIndex);
  assert.equal(parse({ schemaVersion: 2, config: descriptor, layers: [] }).mediaType, mediaTypes.ociManifest);
  refused({ ...image, mediaType: 'application/unknown' }, undefined);
});

test('what reads both as image and as index is refused', () => {
  refused({ ...image, manifests: [] }, mediaTypes.ociManifest);
  refused({ ...index, layers: [] }, mediaTypes.ociIndex);
  refused({ ...index, config: descriptor }, mediaTypes.ociIndex);
});

test('a broken body is MANIFEST_INVALID, a malformed digest inside DIGEST_INVALID', () => {
  for (const value of [null, [], 'x', 5, {}, { ...image, schemaVersion: 1 }, { ...image, config: undefined }]) {
    refused(value, mediaTypes.ociManifest);
  }
  refused({ ...image, layers: {} }, mediaTypes.ociManifest);
  refused({ ...image, layers: [{ ...descriptor, size: -1 }] }, mediaTypes.ociManifest);
  refused({ ...image, layers: [{ ...descriptor, digest: 'sha256:short' }] }, mediaTypes.ociManifest, 'DIGEST_INVALID');
  assert.throws(() => parseManifest(Buffer.from('{"schemaVersion":'), mediaTypes.ociManifest), RegistryError);
});

test('a subject is read but may be anything well formed', () => {
  const subject = { mediaType: 'x', digest: 'blake3:abc', size: 1 };
  assert.equal(parse({ ...image, subject }, mediaTypes.ociManifest).subject?.digest, 'blake3:abc');
});
