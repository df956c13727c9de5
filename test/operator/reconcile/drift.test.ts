import assert from 'node:assert/strict';
import { test } from 'node:test';
import { compare, contentHash } from '../../../operator/reconcile/drift.ts';

const paths = (wanted: unknown, stored: unknown) => compare(wanted, stored).map(({ kind, path }) => `${kind} ${path}`);

test('what the API server adds is no difference', () => {
  const wanted = { spec: { replicas: 1, template: { spec: { containers: [{ name: 'registry', image: 'x' }] } } } };
  const stored = {
    metadata: { uid: 'u' },
    spec: {
      replicas: 1,
      revisionHistoryLimit: 10,
      template: {
        spec: {
          dnsPolicy: 'ClusterFirst',
          containers: [{ name: 'registry', image: 'x', terminationMessagePath: '/dev' }],
        },
      },
    },
  };
  assert.deepEqual(paths(wanted, stored), []);
});

test('a changed, a removed and a mistyped value are differences', () => {
  assert.deepEqual(paths({ a: 1, b: 'x', c: { d: true } }, { a: 2, c: {} }), [
    'changed /a',
    'changed /b',
    'changed /c/d',
  ]);
  assert.deepEqual(paths({ port: 5000 }, { port: '5000' }), ['changed /port']);
});

test('quantities are compared by what they stand for, other text is not', () => {
  const resources = (cpu: unknown, memory: unknown) => ({ resources: { requests: { cpu, memory }, limits: { cpu } } });
  assert.deepEqual(paths(resources('0.5', '1024Mi'), resources('500m', '1Gi')), []);
  assert.deepEqual(paths(resources(1, '1e3'), resources('1', '1k')), []);
  assert.deepEqual(paths(resources('0.1', '1Gi'), resources('100m', '1025Mi')), ['changed /resources/requests/memory']);
  assert.deepEqual(paths({ emptyDir: { sizeLimit: '1024Mi' } }, { emptyDir: { sizeLimit: '1Gi' } }), []);
  assert.deepEqual(paths({ env: [{ name: 'A', value: '1024Mi' }] }, { env: [{ name: 'A', value: '1Gi' }] }), [
    'changed /env/0/value',
  ]);
});

test('entries of a named list belong together by their name, in any order', () => {
  const a = { name: 'a', value: '1' };
  const b = { name: 'b', value: '2' };
  assert.deepEqual(paths({ env: [a, b] }, { env: [b, a] }), []);
  assert.deepEqual(paths({ env: [a, b] }, { env: [b] }), ['changed /env/-']);
  assert.deepEqual(paths({ env: [a, b] }, { env: [b, { ...a, value: '3' }] }), ['changed /env/1/value']);
});

test('an entry that somebody added to a list of ours is found, where the stored list is', () => {
  const found = compare({ env: [{ name: 'a' }] }, { env: [{ name: 'x' }, { name: 'a' }] });
  assert.deepEqual(
    found.map(({ kind, path, wanted }) => ({ kind, path, wanted })),
    [{ kind: 'foreign', path: '/env', wanted: [{ name: 'a' }] }],
  );
  assert.deepEqual(
    paths({ ownerReferences: [{ uid: 'a' }] }, { ownerReferences: [{ uid: 'b' }, { uid: 'a' }] }),
    [],
    'others may own it too',
  );
});

test('a port is known by its number and protocol, by which server-side apply merges', () => {
  const http = { name: 'http', port: 5000, targetPort: 'http' };
  assert.deepEqual(paths({ ports: [http] }, { ports: [{ ...http, protocol: 'TCP', nodePort: 30000 }] }), []);
  assert.deepEqual(paths({ ports: [http] }, { ports: [{ ...http, port: 1 }] }), ['changed /ports/-', 'foreign /ports']);
  assert.deepEqual(paths({ ports: [{ containerPort: 5 }] }, { ports: [{ containerPort: 5, protocol: 'UDP' }] }), [
    'changed /ports/-',
    'foreign /ports',
  ]);
});

test('a selector is one value: a key that somebody added to it is a difference, a label beside ours is none', () => {
  assert.deepEqual(paths({ selector: { a: '1' } }, { selector: { a: '1', b: '2' } }), ['changed /selector']);
  assert.deepEqual(
    paths({ selector: { matchLabels: { a: '1' } } }, { selector: { matchLabels: { a: '1', b: '2' } } }),
    ['changed /selector/matchLabels'],
  );
  assert.deepEqual(paths({ nodeSelector: {} }, { nodeSelector: { a: '1' } }), ['changed /nodeSelector']);
  assert.deepEqual(paths({ labels: { a: '1' } }, { labels: { a: '1', b: '2' } }), []);
});

test('a variable that is empty is stored without its value', () => {
  assert.deepEqual(paths({ env: [{ name: 'A', value: '' }] }, { env: [{ name: 'A' }] }), []);
  assert.deepEqual(paths({ env: [{ name: 'A', value: '' }] }, { env: [{ name: 'A', value: 'x' }] }), [
    'changed /env/0/value',
  ]);
});

test('a list without names is compared as a whole', () => {
  assert.deepEqual(paths({ args: ['a', 'b'] }, { args: ['b', 'a'] }), ['changed /args/0', 'changed /args/1']);
  assert.deepEqual(paths({ args: ['a'] }, { args: ['a', 'b'] }), ['changed /args']);
});

test('an empty map or list that is not stored is no difference, an emptyDir that is not stored is one', () => {
  assert.deepEqual(paths({ labels: {}, args: [], x: null }, {}), []);
  const volume = (source: object) => ({ volumes: [{ name: 'data', ...source }] });
  assert.deepEqual(paths(volume({ emptyDir: {} }), volume({ hostPath: { path: '/' } })), [
    'changed /volumes/0/emptyDir',
  ]);
});

test('annotations with slashes and tildes in their names have a valid pointer (RFC 6901)', () => {
  assert.deepEqual(paths({ annotations: { 'a.b/c~d': '1' } }, { annotations: {} }), ['changed /annotations/a.b~1c~0d']);
});

test('the hash of a content does not depend on the order of keys, and on everything else', () => {
  assert.equal(contentHash({ a: 1, b: [1, { c: 2, d: 3 }] }), contentHash({ b: [1, { d: 3, c: 2 }], a: 1 }));
  assert.notEqual(contentHash({ a: [1, 2] }), contentHash({ a: [2, 1] }));
  assert.notEqual(contentHash({ a: 1 }), contentHash({ a: '1' }));
});
