/** `registry garbage-collect` and `registry purge-uploads` as people and cron jobs call them. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { createRawTree, dataOf, imageOf } from '../support/raw-tree.ts';
import { type Cleanup, temporaryFolder } from '../support/registry-process.ts';

const program = new URL('../../bin/registry', import.meta.url).pathname;

interface Ran {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

const run = (args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Ran> =>
  new Promise((resolve) => {
    const options = { env: { ...process.env, ...env }, timeout: 60_000 };
    execFile(program, args, options, (error, stdout, stderr) =>
      resolve({ code: error === null ? 0 : Number(error.code), stdout, stderr }),
    );
  });

/** A tagged image, one without a tag, a layer that nothing uses. */
async function plant(t: Cleanup) {
  const folder = await temporaryFolder(t);
  const root = join(folder, 'data');
  const tree = createRawTree(root);
  const image = (tag: string | undefined, text: string) =>
    tree.manifest('app', tag, imageOf(tree.blob('app', `${text} config`), [tree.blob('app', `${text} layer`)]));
  const [tagged, untagged, loose] = [image('v1', 'tagged'), image(undefined, 'untagged'), tree.blob('app', 'loose')];
  const config = join(folder, 'config.yml');
  await writeFile(config, `version: 0.1\nlog: {level: info}\nstorage: {filesystem: {rootdirectory: ${root}}}\n`);
  const has = ({ digest }: { digest: string }): boolean => existsSync(join(tree.v2, dataOf(digest)));
  return { tree, config, left: () => [tagged, untagged, loose].map(has) };
}

describe('garbage-collect', () => {
  test('flags before and after the path, joined, long, with values as Go writes them; Distribution’s lines', async (t) => {
    const { config, left } = await plant(t);
    const spellings = [
      ['-d', '-m', config],
      [config, '-dm'],
      ['--dry-run', config, '--delete-untagged'],
      ['--dry-run=true', '--delete-untagged=1', '--', config],
      ['-d', '--delete-untagged=T', '--quiet=false', config],
    ];
    const ran = await Promise.all(spellings.map((flags) => run(['garbage-collect', ...flags])));
    for (const { code, stdout, stderr } of ran) {
      assert.equal(code, 0);
      assert.match(
        stderr,
        /dryrun=true.* msg="garbage collection finished"|msg="garbage collection finished".* dryrun=true/,
      );
      const lines = stdout.trimEnd().split('\n');
      assert.equal(lines[0], 'app');
      assert.ok(lines.includes('3 blobs marked, 4 blobs and 1 manifests eligible for deletion'), stdout);
      assert.equal(lines.filter((line) => /^blob eligible for deletion: sha256:[0-9a-f]{64}$/.test(line)).length, 4);
      assert.equal(lines.filter((line) => /^app: layer link eligible for deletion: sha256:/.test(line)).length, 3);
      assert.equal(lines.filter((line) => /^manifest eligible for deletion: \{app sha256:/.test(line)).length, 1);
    }
    assert.deepEqual(left(), [true, true, true]);
  });

  test('deletes, quietly or with a summary as JSON; the configuration may come from the environment', async (t) => {
    const { config, left } = await plant(t);
    const quiet = await run(['garbage-collect', '-q'], { REGISTRY_CONFIGURATION_PATH: config });
    assert.deepEqual([quiet.code, quiet.stdout], [0, '']);
    assert.doesNotMatch(quiet.stderr, /dryrun/);
    assert.match(quiet.stderr, /msg="Deleting blob: \/docker\/registry\/v2\/blobs\/sha256\//);
    assert.deepEqual(left(), [true, true, false]);
    const json = await run(['garbage-collect', '-m', '-o', 'json', config]);
    const summary = JSON.parse(json.stdout);
    assert.deepEqual([summary.deleted, summary.eligible.bytes > 0], [{ blobs: 3, manifests: 1 }, true]);
    assert.deepEqual(left(), [true, false, false]);
  });

  test('keeps what is younger than --grace, before the start', async (t) => {
    const { config, left } = await plant(t);
    const { code, stdout } = await run(['garbage-collect', '-m', '--grace', '1h', '-o', 'json', config]);
    assert.deepEqual([code, JSON.parse(stdout).spared, left()], [0, 1, [true, true, true]]);
  });

  test('bad calls get a sentence and the usage, on standard error, and do nothing', async (t) => {
    const { config, left } = await plant(t);
    for (const [args, message] of [
      [['--dry-run=maybe', config], /--dry-run is true or false, not maybe/],
      [['--unknown', config], /--unknown/],
      [['-o', 'yaml', config], /--output is text or json, not yaml/],
      [['--grace', 'soon', config], /--grace is a duration such as/],
      [['--grace=-1h', config], /--grace is a duration such as/],
      [[config, config], /takes one configuration file/],
      [[`${config}.missing`], /there is no such file/],
    ] as const) {
      const { code, stdout, stderr } = await run(['garbage-collect', ...args]);
      assert.deepEqual([code, stdout], [1, ''], args.join(' '));
      assert.match(stderr, message);
      assert.doesNotMatch(stderr, /^ +at /m);
    }
    const help = await run(['garbage-collect', '--help']);
    assert.equal(help.code, 0);
    assert.match(help.stdout, /usage: registry garbage-collect/);
    assert.deepEqual(left(), [true, true, true]);
  });

  test('a storage without repositories is refused, dry or not, and nothing is made there', async (t) => {
    const { config } = await plant(t);
    const root = join(await temporaryFolder(t), 'absent');
    await writeFile(config, `version: 0.1\nstorage: {filesystem: {rootdirectory: ${root}}}\n`);
    for (const flags of [[], ['-d']]) {
      const { code, stdout, stderr } = await run(['garbage-collect', ...flags, config]);
      assert.deepEqual([code, stdout], [1, '']);
      assert.match(stderr, /^registry: Path not found: \/docker\/registry\/v2\/repositories: /m);
      assert.ok(!existsSync(root));
    }
  });

  test('a store that cannot be read ends it before anything is deleted', async (t) => {
    const { tree, config, left } = await plant(t);
    tree.write('repositories/broken/_manifests/revisions', 'a file where a folder belongs');
    const fine = await run(['garbage-collect', '-d', config]);
    assert.equal(fine.code, 0, fine.stderr);
    await writeFile(config, 'version: 0.1\nstorage: {filesystem: {rootdirectory: /proc/version}}\n');
    const { code, stderr } = await run(['garbage-collect', config]);
    assert.equal(code, 1);
    assert.match(stderr, /^registry: |not a (folder|directory)/m);
    assert.doesNotMatch(stderr, /^ +at /m);
    assert.deepEqual(left(), [true, true, true]);
  });
});

describe('purge-uploads', () => {
  test('prints what goes, by the age of the configuration or its own', async (t) => {
    const { tree, config } = await plant(t);
    const upload = (digit: string, age: number): string => {
      const folder = `repositories/app/_uploads/${digit.repeat(8)}-0000-4000-8000-000000000000`;
      tree.write(`${folder}/startedat`, new Date(Date.now() - age * 3_600_000).toISOString());
      tree.write(`${folder}/data`, 'bytes');
      return `/docker/registry/v2/${folder}`;
    };
    const [ancient, day, fresh] = [upload('1', 24 * 8), upload('2', 24), upload('3', 0)];
    const there = () => [ancient, day, fresh].map((path) => existsSync(join(tree.v2, '../../..', path)));
    const dry = await run(['purge-uploads', '--dry-run', '--older-than=12h', config]);
    assert.deepEqual([dry.code, dry.stdout.trim().split('\n').sort()], [0, [ancient, day].sort()]);
    assert.deepEqual(there(), [true, true, true]);
    const usual = await run(['purge-uploads', config]);
    assert.deepEqual([usual.stdout, there()], [`${ancient}\n`, [false, true, true]]);
    const shorter = await run(['purge-uploads', config, '--older-than', '12h', '-q']);
    assert.deepEqual([shorter.code, shorter.stdout, there()], [0, '', [false, false, true]]);
    const bad = await run(['purge-uploads', '--older-than', 'old', config]);
    assert.equal(bad.code, 1);
    assert.match(bad.stderr, /--older-than is a duration/);
  });
});
