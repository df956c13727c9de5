import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createEventRecorder } from '../../../operator/kube/events.ts';
import { faultyServer, json } from './faulty-server.ts';

const about = (uid: string) => ({
  apiVersion: 'berth.dev/v1alpha1',
  kind: 'Registry',
  metadata: { namespace: 'ns', name: 'reg', uid, resourceVersion: '1' },
});
const notice = { type: 'Warning', reason: 'Broken', action: 'Reconcile', note: 'it is' } as const;

test('a notice that repeats becomes a series of one Event; after a while it is a new one', async (t) => {
  const bodies: { name?: string; series?: { count: number; lastObservedTime: string }; eventTime?: string }[] = [];
  const { client, seen } = await faultyServer(t, (_, response, body) => {
    const parsed = JSON.parse(body);
    bodies.push(parsed);
    json(response, 200, { metadata: { name: 'event' }, ...parsed });
  });
  let now = Date.UTC(2026, 0, 1);
  const recorder = createEventRecorder({
    client,
    reporter: { controller: 'test', instance: 'one' },
    now: () => now,
    onDropped: (why) => assert.fail(String(why)),
    signal: new AbortController().signal,
  });
  for (const wait of [0, 1000, 1000, 3_600_000]) {
    now += wait;
    recorder.record(about('u1'), notice);
    await recorder.drain();
  }
  assert.deepEqual(
    seen.map(({ method }) => method),
    ['POST', 'PATCH', 'PATCH', 'POST'],
  );
  assert.equal(bodies[0]?.eventTime, '2026-01-01T00:00:00.000000Z', 'six digits, or the API server refuses it');
  assert.deepEqual(bodies[2]?.series, { count: 3, lastObservedTime: '2026-01-01T00:00:02.000000Z' });
});

test('one object can only say so much, another is heard meanwhile', async (t) => {
  const { client, seen } = await faultyServer(t, (_, response, body) =>
    json(response, 200, { metadata: { name: 'e' }, ...JSON.parse(body) }),
  );
  let dropped = 0;
  const recorder = createEventRecorder({
    client,
    reporter: { controller: 'test', instance: 'one' },
    now: () => 0,
    onDropped: () => {
      dropped++;
    },
    signal: new AbortController().signal,
  });
  for (let index = 0; index < 100; index++) recorder.record(about('loud'), { ...notice, note: `number ${index}` });
  recorder.record(about('quiet'), notice);
  await recorder.drain();
  assert.equal(seen.length, 26);
  assert.equal(dropped, 75);
});

test('an Event that cannot be written is dropped, and is no series afterwards', async (t) => {
  let calls = 0;
  const { client, seen } = await faultyServer(t, (_, response) => {
    calls++;
    json(response, calls === 1 ? 403 : 200, { metadata: { name: 'e' }, message: 'no' });
  });
  let dropped = 0;
  const recorder = createEventRecorder({
    client,
    reporter: { controller: 'test', instance: 'one' },
    now: () => 0,
    onDropped: () => {
      dropped++;
    },
    signal: new AbortController().signal,
  });
  recorder.record(about('u'), notice);
  await recorder.drain();
  recorder.record(about('u'), notice);
  await recorder.drain();
  assert.equal(dropped, 1);
  assert.deepEqual(
    seen.map(({ method }) => method),
    ['POST', 'POST'],
  );
});
