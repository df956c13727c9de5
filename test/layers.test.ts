/**
 * The import table: who may know whom. It reads every source file, so an arrow that is not listed here, a circle between
 * rooms, or a library outside its room fails. Zero files read is a failure too.
 */
import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { test } from 'node:test';

const root = new URL('..', import.meta.url).pathname;

/** A room is a folder of a program, or a file beside `main`. `*` stands for the rooms of the same program. */
const allowed: Readonly<Record<string, readonly string[]>> = {
  'registry/config': [],
  'registry/oci': [],
  'registry/log': ['registry/config'],
  'registry/metrics': [],
  'registry/policy': ['registry/oci'],
  'registry/storage': ['registry/metrics', 'registry/log', 'registry/config/types.ts'],
  'registry/service': ['registry/oci', 'registry/policy', 'registry/storage/store.ts', 'registry/log'],
  'registry/auth': [
    'registry/oci',
    'registry/policy',
    'registry/service',
    'registry/storage/store.ts',
    'registry/log',
    'registry/metrics',
  ],
  'registry/health': [
    'registry/config/types.ts',
    'registry/oci',
    'registry/policy',
    'registry/service',
    'registry/storage/store.ts',
    'registry/log',
    'registry/metrics',
  ],
  'registry/gc': [
    'registry/oci',
    'registry/policy',
    'registry/service',
    'registry/storage/store.ts',
    'registry/log',
    'registry/metrics',
  ],
  // What only saves asking the storage again: descriptors in memory or in Redis.
  'registry/cache': [
    'registry/config/types.ts',
    'registry/oci',
    'registry/service',
    'registry/log',
    'registry/metrics',
  ],
  'registry/http': ['registry/service', 'registry/auth', 'registry/oci', 'registry/metrics', 'registry/log'],
  'registry/collect': ['registry/*'],
  'registry/purge': ['registry/*'],
  'registry/upkeep': ['registry/*'],
  'registry/holder': [],
  'registry/readonly': ['registry/log'],
  'registry/config-check': ['registry/config', 'registry/log'],
  'registry/app': ['registry/*'],
  'registry/report': ['registry/*'],
  'registry/serve': ['registry/*'],
  'registry/main': ['registry/program'],
  'registry/program': ['registry/*'],
  'registry/drain': [],
  'registry/listen': [],
  'registry/signing': ['registry/oci'],
  'registry/signals': ['registry/log'],
  'registry/vars': ['registry/config/types.ts', 'registry/log'],
  'registry/uuid': [],
  'registry/version': ['package.json'],
  'operator/config': [],
  'operator/error': [],
  'operator/log': [],
  'operator/metrics': [],
  'operator/probes': ['operator/metrics', 'operator/log'],
  'operator/api': ['operator/error'],
  'operator/kube': ['operator/error'],
  'operator/render': ['operator/api', 'operator/error'],
  'operator/controller': ['operator/metrics', 'operator/log', 'operator/error'],
  'operator/reconcile': ['operator/render', 'operator/api', 'operator/kube', 'operator/controller', 'operator/error'],
  'operator/local': ['operator/render', 'operator/api', 'operator/kube', 'operator/controller', 'operator/error'],
  'operator/main': ['operator/*'],
};

/** Libraries and the only places that may import them. */
const libraries: readonly (readonly [RegExp, RegExp])[] = [
  [/^@aws-sdk\/(client-s3|s3-request-presigner)$|^@smithy\//, /^registry\/storage\/s3/],
  [/^@aws-sdk\/cloudfront-signer$/, /^registry\/storage\/redirect/],
  [/^@azure\//, /^registry\/storage\/azure/],
  [/^@google-cloud\//, /^registry\/storage\/gcs/],
  [/^redis$/, /^registry\/cache\//],
  [/^re2js$/, /^registry\/(config|oci)\//],
  [/^@kubernetes\/client-node$/, /^operator\/kube\//],
  [/^fastify$/, /^registry\/(app\.ts|http\/)/],
  [/^prom-client$/, /^(registry|operator)\/metrics/],
  [/^pino$/, /^(registry|operator)\/log/],
];

interface Import {
  readonly from: string;
  readonly to: string;
  readonly isType: boolean;
}

const files = globSync('{registry,operator}/**/*.ts', { cwd: root });

function importsOf(file: string): readonly Import[] {
  const text = readFileSync(join(root, file), 'utf8');
  const found = text.matchAll(/^(?:import|export)\s+(type\s)?(?:[^'";]*?\sfrom\s+)?'([^']+)'|\bimport\('([^']+)'\)/gm);
  return [...found].map(([, type, fixed, lazy]) => {
    const target = fixed ?? lazy ?? '';
    const to = target.startsWith('.') ? normalize(join(dirname(file), target)) : target;
    return { from: file, to, isType: type !== undefined };
  });
}

const imports = files.flatMap(importsOf);
const isOwn = (path: string): boolean => path.startsWith('registry/') || path.startsWith('operator/');

function roomOf(path: string): string {
  const [program, second = ''] = path.split('/');
  return `${program}/${second.replace(/\.ts$/, '')}`;
}

function isAllowed(from: string, to: string): boolean {
  const room = roomOf(from);
  return (allowed[room] ?? []).some(
    (target) => target === to || target === roomOf(to) || (target.endsWith('/*') && to.startsWith(target.slice(0, -1))),
  );
}

test('the table covers every room, and every file was read', () => {
  assert.ok(files.length > 50, `only ${files.length} files were read`);
  assert.ok(imports.length > files.length, `only ${imports.length} imports were read`);
  assert.deepEqual(
    files.map(roomOf).filter((room) => allowed[room] === undefined),
    [],
  );
});

test('no import leaves its room but by the table', () => {
  const wrong = imports.filter(({ from, to }) => isOwn(to) && roomOf(from) !== roomOf(to) && !isAllowed(from, to));
  assert.deepEqual(
    wrong.map(({ from, to }) => `${from} -> ${to}`),
    [],
  );
});

test('libraries are imported only where they belong (types may be named elsewhere)', () => {
  const wrong = imports.filter(({ from, to, isType }) => {
    const rule = libraries.find(([library]) => library.test(to));
    return rule !== undefined && !isType && !rule[1].test(from);
  });
  assert.deepEqual(
    wrong.map(({ from, to }) => `${from} -> ${to}`),
    [],
  );
});

test('the environment is read in config and main alone', () => {
  const readers = files.filter((file) => /process\.env\b/.test(readFileSync(join(root, file), 'utf8')));
  assert.deepEqual(
    readers.filter((file) => !/^(registry|operator)\/(config|main)/.test(file)),
    [],
  );
});

test('no circle of files', () => {
  const edges = Map.groupBy(
    imports.filter(({ to, isType }) => isOwn(to) && !isType),
    ({ from }) => from,
  );
  const done = new Set<string>();
  const visit = (file: string, path: readonly string[]): void => {
    assert.ok(!path.includes(file), `circle: ${[...path, file].join(' -> ')}`);
    if (done.has(file)) return;
    for (const { to } of edges.get(file) ?? []) visit(to, [...path, file]);
    done.add(file);
  };
  for (const file of files) visit(file, []);
});
