import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createDigestSet } from '../../../registry/gc/digests.ts';
import { type Algorithm, type Digest, digestBytes } from '../../../registry/oci/digest.ts';

const algorithms: readonly Algorithm[] = ['sha256', 'sha256', 'sha256', 'sha384', 'sha512'];
const digestOf = (number: number): Digest =>
  digestBytes(algorithms[number % algorithms.length] ?? 'sha256', Buffer.from(`${number}`));

test('a set of digests holds what was added, once, in its order, whatever the algorithm', () => {
  const set = createDigestSet(42);
  const count = 50_000;
  for (let number = 0; number < count; number++) {
    assert.equal(set.add(digestOf(number)), true);
    assert.equal(set.add(digestOf(number >> 1)), false);
    assert.equal(set.size, number + 1);
  }
  let place = 0;
  for (const digest of set.values()) {
    assert.equal(digest, digestOf(place));
    assert.equal(set.indexOf(digest), place);
    assert.equal(set.at(place), digest);
    place++;
  }
  assert.equal(place, count);
  for (let number = count; number < count + 1000; number++) {
    assert.equal(set.has(digestOf(number)), false);
    assert.equal(set.indexOf(digestOf(number)), -1);
  }
});

test('digests that agree in all but their last bits, or are all zeros, are told apart', () => {
  const set = createDigestSet(7);
  const made = Array.from({ length: 2000 }, (_, number) => `sha256:${number.toString(16).padStart(64, '0')}` as Digest);
  for (const digest of made) assert.equal(set.add(digest), true);
  assert.deepEqual([...set.values()], made);
});
