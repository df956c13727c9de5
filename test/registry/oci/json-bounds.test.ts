import assert from 'node:assert/strict';
import { test } from 'node:test';
import { excessIn } from '../../../registry/oci/json-bounds.ts';
import { parseManifest } from '../../../registry/oci/manifest.ts';

const MiB = 1024 * 1024;
const excess = (text: string): string | undefined => excessIn(Buffer.from(text));

test('JSON that is built to cost memory is refused before it is parsed', () => {
  assert.match(excess(`[${'[],'.repeat(MiB)}0]`) ?? '', /objects and lists/);
  assert.match(excess(`{"a":[${'{},'.repeat(MiB)}0]}`) ?? '', /objects and lists/);
  assert.match(excess(`[${'0,'.repeat(MiB)}0]`) ?? '', /members/);
  assert.match(excess('['.repeat(100_000)) ?? '', /levels/);
});

test('what stands in strings is no structure', () => {
  assert.equal(excess(JSON.stringify({ note: '[{,'.repeat(MiB) })), undefined);
  assert.equal(excess(JSON.stringify({ note: '\\"[{,'.repeat(MiB / 2) })), undefined);
  assert.match(excess(`["${'x'.repeat(70_000)}\\\\",${'[],'.repeat(200_000)}0]`) ?? '', /objects and lists/);
  assert.equal(excess(`"${'\\'.repeat(100_000)}`), undefined, 'a string without an end');
});

test('a manifest of the largest size with as many descriptors as fit is parsed', () => {
  const child = {
    mediaType: 'application/vnd.oci.image.manifest.v1+json',
    digest: `sha256:${'a'.repeat(64)}`,
    size: 1,
  };
  const platform = { os: 'linux', architecture: 'amd64' };
  const mediaType = 'application/vnd.oci.image.index.v1+json';
  const count = Math.floor((4 * MiB) / (JSON.stringify({ ...child, platform }).length + 2));
  const bytes = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType,
      manifests: Array.from({ length: count }, () => ({ ...child, platform })),
    }),
  );
  assert.ok(bytes.length > 3.8 * MiB);
  assert.equal(parseManifest(bytes, mediaType).children.length, count);
  const bomb = Buffer.from(`{"schemaVersion":2,"mediaType":"${mediaType}","manifests":[${'[],'.repeat(MiB)}[]]}`);
  assert.throws(() => parseManifest(bomb, mediaType), /objects and lists/);
});
