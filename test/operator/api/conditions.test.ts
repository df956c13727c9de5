import assert from 'node:assert/strict';
import { test } from 'node:test';
import { mergeConditions } from '../../../operator/api/conditions.ts';

const ready = { type: 'Ready', status: 'True', reason: 'Available', message: 'all Pods are ready' } as const;
const noon = new Date('2026-05-01T12:00:00.789Z');
const later = new Date('2026-05-01T13:00:00.000Z');

test('a condition keeps its transition time while its status stays, whatever else changes', () => {
  const before = mergeConditions(undefined, [ready], 1, noon);
  assert.deepEqual(before, [{ ...ready, observedGeneration: 1, lastTransitionTime: '2026-05-01T12:00:00Z' }]);
  assert.deepEqual(mergeConditions(before, [ready], 1, later), before);
  const reworded = mergeConditions(before, [{ ...ready, reason: 'Scaled', message: 'other' }], 2, later);
  assert.equal(reworded[0]?.lastTransitionTime, '2026-05-01T12:00:00Z');
  assert.equal(reworded[0]?.observedGeneration, 2);
});

test('a changed status moves the time, and what is no longer wanted goes', () => {
  const stalled = { type: 'Stalled', status: 'True', reason: 'InvalidConfiguration', message: 'mend it' } as const;
  const before = mergeConditions(undefined, [{ ...ready, status: 'False' }, stalled], 1, noon);
  const after = mergeConditions(before, [ready], 2, later);
  assert.deepEqual(after, [{ ...ready, observedGeneration: 2, lastTransitionTime: '2026-05-01T13:00:00Z' }]);
});
