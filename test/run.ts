/**
 * Runs test suites with node:test and closes with its summary. `node test/run.ts unit real e2e`, or files. A run that
 * executed no test has failed: an empty pattern must never look like success.
 */
import { globSync } from 'node:fs';
import { relative } from 'node:path';
import { run } from 'node:test';
import { spec } from 'node:test/reporters';

const root = new URL('..', import.meta.url).pathname;

/**
 * What needs neither Go nor root, what runs against real components, what needs a cluster of its own, what takes hours: long
 * runs, and again at full size what the other suites run smaller.
 */
const suites: Readonly<Record<string, readonly string[]>> = {
  unit: ['test/*.test.ts', 'test/{registry,operator,storage,contract,conformance}/**/*.test.ts'],
  real: ['test/real/**/*.test.ts', 'test/image/**/*.test.ts', 'test/fault/**/*.test.ts'],
  e2e: ['test/e2e/**/*.test.ts'],
  soak: [
    'test/soak/**/*.test.ts',
    'test/storage/filesystem.test.ts',
    'test/real/{s3,azure,gcs}.test.ts',
    'test/real/{azure,gcs}-conformance.test.ts',
    'test/fault/memory.test.ts',
  ],
};

function filesOf(argument: string): readonly string[] {
  const patterns = suites[argument] ?? [argument];
  const found = patterns.flatMap((pattern) => globSync(pattern, { cwd: root })).sort();
  if (found.length === 0) throw new Error(`no test file for "${argument}"; suites: ${Object.keys(suites).join(', ')}`);
  return found.map((file) => `${root}${relative(root, `${root}${file}`)}`);
}

const wanted = process.argv.slice(2);
const files = [...new Set(wanted.flatMap(filesOf))];
/** Full sizes: 5 GiB as one stream, 10 GiB as one blob, every format. The files' own processes inherit it. */
if (wanted.includes('soak')) process.env['BERTH_LONG'] = '1';
/** Real components and clusters share the machine badly with each other. */
const concurrency = wanted.every((suite) => suite === 'unit') ? 2 : 1;
/** Milliseconds for one file. */
const deadline = (wanted.includes('soak') ? 240 : 30) * 60_000;
let executed = 0;

run({ files, concurrency, timeout: deadline, cwd: root })
  .on('test:fail', (event) => {
    if (event.todo === undefined || event.todo === false) process.exitCode = 1;
  })
  .on('test:pass', (event) => {
    if (event.details.type !== 'suite') executed++;
  })
  .on('end', () => {
    if (executed === 0) process.exitCode = 1;
  })
  .compose(new spec())
  .pipe(process.stdout);
