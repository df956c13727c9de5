import assert from 'node:assert/strict';
import { test } from 'node:test';
import { digestBytes, isWellFormedDigest, parseDigest } from '../../../registry/oci/digest.ts';
import { parseName, parseTag } from '../../../registry/oci/name.ts';

const hex = (digits: number): string => 'a1'.repeat(digits / 2);

test('names: the grammar of the distribution specification', () => {
  for (const good of ['a', 'a/b', 'a.b/c', 'a__b', 'a---b', 'a_b-c.d/e0', '0/1', 'a'.repeat(255)]) {
    assert.equal(parseName(good), good);
  }
  const bad = [
    '',
    'A',
    'a..b',
    'a___b',
    '-a',
    'a-',
    '.a',
    '_catalog',
    '/a',
    'a/',
    'a//b',
    'a b',
    'a:b',
    'é',
    'a'.repeat(256),
  ];
  for (const text of bad) assert.equal(parseName(text), undefined, text);
});

test('tags: at most 128 characters, never beginning with a dot or a dash', () => {
  for (const good of ['a', 'A', '_', '0', 'v1.2.3-rc_1', 'x'.repeat(128)]) assert.equal(parseTag(good), good);
  for (const bad of ['', '.a', '-a', 'a/b', 'a:b', 'a b', 'x'.repeat(129), 'é'])
    assert.equal(parseTag(bad), undefined, bad);
});

test('digests: registered algorithms have exactly their number of lower-case hex digits', () => {
  for (const good of [`sha256:${hex(64)}`, `sha384:${hex(96)}`, `sha512:${hex(128)}`])
    assert.equal(parseDigest(good), good);
  const bad = ['', 'sha256', 'sha256:', `sha256:${hex(62)}`, `sha256:${hex(64).toUpperCase()}`, `sha512:${hex(64)}`];
  for (const text of [...bad, `md5:${hex(32)}`, `toString:${hex(64)}`, `sha256:${hex(64)}\n`]) {
    assert.equal(parseDigest(text), undefined, text);
  }
});

test('digests inside manifests: an unknown algorithm can be well formed', () => {
  assert.ok(isWellFormedDigest('blake3:Abc=_-'));
  assert.ok(isWellFormedDigest('sha256+b64u:abc'));
  for (const bad of ['sha256:abc', 'blake3:', ':abc', 'b..3:abc', `x:${'a'.repeat(600)}`])
    assert.ok(!isWellFormedDigest(bad), bad);
});

test('digests are computed as others compute them', () => {
  const empty = 'sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855';
  assert.equal(digestBytes('sha256', Buffer.alloc(0)), empty);
});
