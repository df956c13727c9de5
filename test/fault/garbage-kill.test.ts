/** kill -9 of a collector at 50 random moments, on 10,000 blobs: what a tag reaches is whole after each, and the last run ends it. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { globSync, readdirSync, readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { fastFolder } from '../support/fast-folder.ts';
import { createChance, freshSeed } from '../support/push-client-random.ts';
import { createRawTree, dataOf, imageOf, indexOf, type RawTree } from '../support/raw-tree.ts';

const program = new URL('../../bin/registry', import.meta.url).pathname;
const repositories = 10;
const kept = 100;
const garbage = 150;

/** Images with a tag, by an index or alone, of two layers of their own and one of all: 4 blobs each. */
function plantKept(tree: RawTree): void {
  for (let number = 0; number < repositories; number++) {
    const name = `app${number}`;
    for (let count = 0; count < kept; count++) {
      const blob = (what: string) => tree.blob(name, `kept ${what} ${number} ${count}`);
      const layers = [blob('first'), blob('second'), tree.blob(name, 'of all')];
      if (count % 2 === 0) tree.manifest(name, `t${count}`, imageOf(blob('config'), layers));
      else tree.manifest(name, `i${count}`, indexOf([tree.manifest(name, undefined, imageOf(blob('config'), layers))]));
    }
  }
}

/** As much again that goes: images without a tag, layers without an image, content without a link. 4 blobs each. */
function plantGarbage(tree: RawTree, round: number): void {
  for (let number = 0; number < repositories; number++) {
    const name = `app${number}`;
    for (let count = 0; count < garbage; count++) {
      const text = (what: string): string => `garbage ${round} ${what} ${number} ${count}`;
      tree.manifest(name, undefined, imageOf(tree.blob(name, text('config')), [tree.blob(name, text('layer'))]));
      tree.content(text('loose'));
    }
  }
}

/** What tags reach, by the files alone: the collector's own code has no part in it. */
function reached(v2: string): ReadonlySet<string> {
  const found = new Set<string>();
  const visit = (digest: string): void => {
    if (found.has(digest)) return;
    found.add(digest);
    const text = readFileSync(join(v2, dataOf(digest)), 'latin1');
    if (text.startsWith('{')) for (const [reference] of text.matchAll(/sha256:[0-9a-f]{64}/g)) visit(reference);
  };
  for (const tag of globSync('repositories/*/_manifests/tags/*/current/link', { cwd: v2 })) {
    visit(readFileSync(join(v2, tag), 'latin1'));
  }
  return found;
}

/** Everything below, by one look. */
const filesIn = (v2: string): ReadonlySet<string> => new Set(readdirSync(v2, { recursive: true, encoding: 'utf8' }));

/** Links without content. */
const broken = (files: ReadonlySet<string>): readonly string[] =>
  [...files].filter((path) => {
    const [, hex] = /\/(?:_layers|revisions)\/sha256\/(\w+)\/link$/.exec(path) ?? [];
    return hex !== undefined && !files.has(dataOf(`sha256:${hex}`));
  });

interface Started {
  /** Resolves when it prints its first line. */
  readonly begun: Promise<void>;
  readonly ended: Promise<number | null>;
  kill(): void;
  stderr(): string;
}

function start(config: string): Started {
  const child = spawn(program, ['garbage-collect', '--delete-untagged', config], { stdio: ['ignore', 'pipe', 'pipe'] });
  let text = '';
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
    text = (text + chunk).slice(-10_000);
  });
  return {
    begun: new Promise((resolve) => child.stdout.once('data', () => resolve())),
    ended: new Promise((resolve) => child.once('close', resolve)),
    kill: () => child.kill('SIGKILL'),
    stderr: () => text,
  };
}

async function suite(
  folder: string,
  seed: string,
  kills: number,
): Promise<{ readonly killed: number; readonly finished: number }> {
  const chance = createChance(seed);
  const tree = createRawTree(folder);
  const config = join(folder, 'config.json');
  await writeFile(
    config,
    JSON.stringify({ version: '0.1', log: { level: 'warn' }, storage: { filesystem: { rootdirectory: folder } } }),
  );
  plantKept(tree);
  const expected = reached(tree.v2);
  assert.equal(expected.size, repositories * kept * 4.5 + 1);
  const links = [...filesIn(tree.v2)].filter((path) => path.endsWith('/link'));
  const isWhole = (when: string): ReadonlySet<string> => {
    const files = filesIn(tree.v2);
    const lost = [...[...expected].map(dataOf), ...links].filter((path) => !files.has(path));
    assert.deepEqual(lost, [], `${when}: what a tag reaches is gone`);
    assert.deepEqual(broken(files), [], `${when}: links without content`);
    return files;
  };
  let [killed, finished, round] = [0, 0, 0];
  let duration = 2000;
  plantGarbage(tree, round++);
  while (killed < kills) {
    const run = start(config);
    await Promise.race([run.begun, run.ended]);
    const begun = performance.now();
    const isOver = await Promise.race([run.ended.then(() => true), sleep(chance.integer(duration), false)]);
    run.kill();
    const code = await run.ended;
    if (!isOver && code === null) killed++;
    else {
      assert.equal(code, 0, run.stderr());
      finished++;
      duration = Math.max(200, performance.now() - begun);
      plantGarbage(tree, round++);
    }
    isWhole(`seed "${seed}", after ${killed} kills`);
  }
  assert.equal(await start(config).ended, 0);
  const data = [...isWhole('at the end')].filter((path) => path.endsWith('/data'));
  assert.equal(data.length, expected.size, 'the last run deletes all that is left');
  return { killed, finished };
}

test('a collector that is killed 50 times loses nothing that is in use', async (t) => {
  const seed = freshSeed();
  const halves = await Promise.all(
    ['one', 'two'].map(async (half) => suite(await fastFolder(t), `${seed}/${half}`, 25)),
  );
  t.diagnostic(`seed ${seed}: ${JSON.stringify(halves)}`);
});
