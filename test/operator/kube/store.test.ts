import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createStore } from '../../../operator/kube/store.ts';

const object = (name: string, resourceVersion: string, group = 'g') => ({
  metadata: { namespace: 'ns', name, resourceVersion, labels: { group } },
});

test('an older version never takes the place of a newer one, whatever comes first: the watch or our own write', () => {
  const store = createStore();
  assert.ok(store.put(object('a', '9')));
  assert.ok(store.putWritten(object('a', '10')), 'a longer number is a later one');
  assert.equal(store.put(object('a', '10')), undefined, 'the event of our own write tells nothing new');
  assert.equal(store.put(object('a', '9')), undefined);
  assert.equal(store.get('ns/a')?.metadata.resourceVersion, '10');
});

test('a deletion from before our write leaves what was written; one from after it takes it', () => {
  const store = createStore();
  store.put(object('a', '5'));
  store.putWritten(object('a', '8'));
  assert.equal(store.remove('ns/a', '7'), undefined);
  assert.ok(store.remove('ns/a', '9'));
  assert.equal(store.size, 0);
});

test('the answer to a write that comes after the watch has seen the object go does not bring it back', () => {
  const store = createStore();
  store.reached('20');
  assert.equal(store.putWritten(object('a', '15')), undefined);
  assert.ok(store.putWritten(object('a', '21')));
});

test('the index follows its objects when their value changes and when they go', () => {
  const store = createStore<ReturnType<typeof object>>(({ metadata }) => metadata.labels.group);
  store.put(object('a', '1', 'x'));
  store.put(object('b', '2', 'x'));
  store.put(object('a', '3', 'y'));
  assert.deepEqual(
    store.indexed('x').map(({ metadata }) => metadata.name),
    ['b'],
  );
  assert.deepEqual(
    store.indexed('y').map(({ metadata }) => metadata.name),
    ['a'],
  );
  store.remove('ns/b', '4');
  assert.deepEqual(store.indexed('x'), []);
});
