import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { loadAll } from 'js-yaml';
import { renderCommand } from '../../../operator/local/render.ts';
import { recordedIo, registryFile } from './io.ts';

const emptyDir = { storage: { type: 'EmptyDir' } };

test('the children are printed in the order of their application, with the configuration as text', async () => {
  const io = recordedIo({ input: registryFile(emptyDir) });
  assert.equal(await renderCommand(['-f', '-'], io), 0);
  const objects = loadAll(io.out()) as { kind: string; stringData?: Record<string, string>; metadata: object }[];
  assert.deepEqual(
    objects.map(({ kind }) => kind),
    ['ServiceAccount', 'Secret', 'Service', 'Deployment'],
  );
  assert.match(objects[1]?.stringData?.['config.yml'] ?? '', /rootdirectory: \/var\/lib\/registry/);
  assert.match(io.out(), /^# kubectl -n default create secret generic local-http --from-literal=secret=/m);
});

test('-n gives the namespace, and contradicts one in the file', async () => {
  const free = recordedIo({ input: registryFile(emptyDir) });
  assert.equal(await renderCommand(['-f', '-', '-n', 'team'], free), 0);
  assert.match(free.out(), /namespace: team/);
  const bound = recordedIo({ input: registryFile(emptyDir, { name: 'local', namespace: 'other' }) });
  assert.equal(await renderCommand(['-f', '-', '-n', 'team'], bound), 2);
  assert.match(bound.err(), /Registry local is in the namespace other, but -n says team/);
});

test('-o json prints one List without owner references', async () => {
  const input = registryFile(emptyDir, { name: 'local', uid: '6f0c' });
  const io = recordedIo({ input });
  assert.equal(await renderCommand(['-f', '-', '-o', 'json'], io), 0);
  const list = JSON.parse(io.out());
  assert.equal(list.kind, 'List');
  assert.equal(list.items.length, 4);
  assert.doesNotMatch(io.out(), /ownerReferences/);
});

test('several documents: every Registry is rendered, other kinds are passed over with a note', async () => {
  const namespace = JSON.stringify({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'team' } });
  const input = [namespace, registryFile(emptyDir), registryFile(emptyDir, { name: 'second' })].join('\n---\n');
  const io = recordedIo({ input });
  assert.equal(await renderCommand(['-f', '-'], io), 0);
  assert.equal(loadAll(io.out()).length, 8);
  assert.equal(io.err(), 'standard input: Namespace team is no Registry, passed over\n');
});

test('every problem of every Registry is reported with its place, and nothing is printed', async () => {
  const input = [
    registryFile({ storage: { type: 'EmptyDir', tpye: 1 }, http: { port: 80 } }),
    registryFile({ ...emptyDir, config: { extra: { http: { addr: ':80' } } } }, { name: 'second' }),
  ].join('\n---\n');
  const io = recordedIo({ input });
  assert.equal(await renderCommand(['-f', '-'], io), 1);
  assert.equal(io.out(), '');
  assert.match(io.err(), /^standard input: Registry local: spec\.storage\.tpye: unknown field; known are type,/m);
  assert.match(io.err(), /^standard input: Registry local: spec\.http\.port: must be >= 1024$/m);
  assert.match(io.err(), /^standard input: Registry second: spec\.config\.extra\.http\.addr: .*spec\.http\.port/m);
});

test('mistaken calls end with 2 and say what to do', async () => {
  const cases: readonly [readonly string[], string, RegExp][] = [
    [[], '', /-f is missing/],
    [['-f', '/nowhere/registry.yaml'], '', /cannot read \/nowhere\/registry.yaml: there is no such file/],
    [['-f', '-'], 'a: [', /standard input is no YAML/],
    [['-f', '-'], '', /standard input holds no Registry/],
    [['-f', '-', '-o', 'xml'], registryFile(emptyDir), /-o must be yaml or json, not xml/],
    [['--fiel', '-'], '', /Unknown option '--fiel'/],
  ];
  for (const [argv, input, expected] of cases) {
    const io = recordedIo({ input });
    assert.equal(await renderCommand(argv, io), 2, argv.join(' '));
    assert.match(io.err(), expected);
  }
});

test('YAML is read as kubectl reads it: yes is true, a date stays text', async () => {
  const input = [
    'apiVersion: berth.dev/v1alpha1',
    'kind: Registry',
    'metadata: { name: local }',
    'spec:',
    '  storage: { type: EmptyDir }',
    '  podTemplate: { annotations: { since: 2024-01-01 } }',
    '  http: { relativeURLs: yes }',
  ].join('\n');
  const io = recordedIo({ input });
  assert.equal(await renderCommand(['-f', '-'], io), 1);
  assert.match(io.err(), /spec\.http\.relativeURLs: must be/);
  assert.doesNotMatch(io.err(), /annotations/);
});

test('neither render nor up loads the Kubernetes client', async () => {
  const script = `
    import { registerHooks } from 'node:module';
    const loaded = [];
    registerHooks({ resolve: (name, context, next) => { loaded.push(name); return next(name, context); } });
    await import('./operator/local/render.ts');
    await import('./operator/local/up.ts');
    console.log(loaded.join('\\n'));
  `;
  const run = promisify(execFile);
  const cwd = new URL('../../..', import.meta.url).pathname;
  const { stdout } = await run(process.execPath, ['--input-type=module', '-e', script], { cwd });
  assert.match(stdout, /js-yaml/);
  assert.doesNotMatch(stdout, /client-node|undici/);
});
