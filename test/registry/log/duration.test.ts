import assert from 'node:assert/strict';
import { test } from 'node:test';
import { goDuration } from '../../../registry/log/duration.ts';

const cases: readonly (readonly [number, string])[] = [
  [0, '0µs'],
  [0.000_85, '850µs'],
  [0.012_345_678, '12.345678ms'],
  [0.9999, '999.9ms'],
  [1, '1s'],
  [2.5, '2.5s'],
  [62.5, '1m2.5s'],
  [3600, '1h0m0s'],
  [90_061, '25h1m1s'],
];

for (const [seconds, text] of cases) {
  test(`${seconds} s is ${text}, as Go prints it`, () => assert.equal(goDuration(seconds), text));
}
