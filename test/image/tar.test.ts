import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { tar } from '../../image/tar.ts';
import { directory, type Entry, file, link, type Tree } from '../../image/tree.ts';
import { temporaryFolder } from '../support/registry-process.ts';
import { execute } from '../tools/execute.ts';

async function bytes(tree: Tree): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of tar(tree, 1_700_000_000)) chunks.push(chunk);
  return Buffer.concat(chunks);
}

const deep = `${'folder/'.repeat(25)}file`;
const tree: Tree = new Map<string, Entry>([
  ['b', file('second')],
  ['a/run', file('first', true)],
  ['a/link', link('../b')],
  ['data', directory(0o1777, 65532)],
  [deep, file('')],
]);

test('an archive holds what the tree says, with its folders, in order of path', async (t) => {
  const path = join(await temporaryFolder(t), 'x.tar');
  await writeFile(path, await bytes(tree));
  const { stdout } = await execute('tar', ['--utc', '--numeric-owner', '--full-time', '-tvf', path]);
  const lines = stdout
    .trimEnd()
    .split('\n')
    .map((line) => line.replace(/ +/g, ' '));
  assert.deepEqual(lines.slice(0, 5), [
    'drwxr-xr-x 0/0 0 2023-11-14 22:13:20 a/',
    'lrwxrwxrwx 0/0 0 2023-11-14 22:13:20 a/link -> ../b',
    '-rwxr-xr-x 0/0 5 2023-11-14 22:13:20 a/run',
    '-rw-r--r-- 0/0 6 2023-11-14 22:13:20 b',
    'drwxrwxrwt 65532/65532 0 2023-11-14 22:13:20 data/',
  ]);
  assert.equal(lines.at(-1), `-rw-r--r-- 0/0 0 2023-11-14 22:13:20 ${deep}`);
});

test('the order in which a tree was filled leaves no trace', async () => {
  const turned: Tree = new Map([...tree].reverse());
  assert.deepEqual(await bytes(turned), await bytes(tree));
});

test('a file that was shortened while it is packed is an error, not a broken archive', async (t) => {
  const path = join(await temporaryFolder(t), 'x');
  await writeFile(path, 'short');
  const size = (await readFile(path)).length + 1;
  await assert.rejects(bytes(new Map([['x', file({ path, size })]])), /changed while it was read/);
});

test('a path that ustar cannot hold is an error', async () => {
  await assert.rejects(bytes(new Map([['x'.repeat(101), file('')]])), /too long/);
});
