/** What is said of the storage folder at the start: whom it belongs to decides what will work, and the remedy is named. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { chmod, mkdir, readdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { checkRoot } from '../../registry/storage/filesystem-root.ts';
import { skip } from '../support/tools.ts';
import { temporaryFolder } from './filesystem-ground.ts';

const berth = '/docker/registry/v2/_berth';
const folders = [berth, `${berth}/pushers`, `${berth}/absent`];
const isRoot = process.getuid?.() === 0;
const own = isRoot ? '65532:65532' : `${process.getuid?.()}:${process.getgid?.()}`;

/** `checkRoot` of a user to whom permissions mean something: root may do everything. */
async function checked(root: string): Promise<string | undefined> {
  const module = new URL('../../registry/storage/filesystem-root.ts', import.meta.url).href;
  const script = `
    const { checkRoot } = await import(${JSON.stringify(module)});
    if (${isRoot}) { process.setgroups([]); process.setgid(65532); process.setuid(65532); }
    const said = await checkRoot(${JSON.stringify(root)}, ${JSON.stringify(folders)});
    process.stdout.write(JSON.stringify(said ?? null));`;
  const stdout = await new Promise<string>((resolve, reject) =>
    execFile(process.execPath, ['--input-type=module', '-e', script], { timeout: 60_000 }, (error, out) =>
      error === null ? resolve(out) : reject(error),
    ),
  );
  return JSON.parse(stdout) ?? undefined;
}

/** A tree that everyone may use, but for what a test takes away. */
async function planted(t: TestContext): Promise<{ readonly parent: string; readonly root: string }> {
  const parent = await temporaryFolder(t);
  const root = join(parent, 'data');
  await mkdir(join(root, berth, 'pushers'), { recursive: true });
  for (const path of [parent, root, join(root, berth), join(root, berth, 'pushers')]) await chmod(path, 0o777);
  return { parent, root };
}

/** The mode goes back before the folder is removed. */
async function withMode<T>(path: string, mode: number, work: () => Promise<T>): Promise<T> {
  await chmod(path, mode);
  try {
    return await work();
  } finally {
    await chmod(path, 0o777);
  }
}

describe('the storage folder at the start', () => {
  test('nothing is said of one in which all can be done', async (t) => {
    const { root } = await planted(t);
    assert.equal(await checked(root), undefined);
  });

  for (const [what, path, mode, expected] of [
    ['that can only be read', '', 0o555, /data cannot be written by .*: pulls work, pushes will fail; /],
    ['that cannot be read', '', 0o300, /data cannot be read by .*: pulls and pushes will fail; /],
    ['that cannot be entered', '', 0o666, /data cannot be read by .*: pulls and pushes will fail; /],
    ['whose _berth belongs to somebody else', berth, 0o555, /v2\/_berth cannot be read and written by .*; /],
    [
      'whose marks belong to somebody else',
      `${berth}/pushers`,
      0o555,
      /v2\/_berth\/pushers cannot be read and written/,
    ],
  ] as const) {
    test(`one ${what} is told, with the remedy`, async (t) => {
      if (process.getuid === undefined) return skip(t, 'there are no users here');
      const { root } = await planted(t);
      // For others, as whom the check is run if we are root, and for ourselves if not.
      const bits = isRoot ? (mode & 0o700) >> 6 : mode & 0o700;
      const said = await withMode(join(root, path), bits, () => checked(root));
      assert.match(String(said), expected);
      assert.ok(said?.endsWith(`chown -R ${own} ${root}`), said);
    });
  }

  test('one that is not there yet is fine where it can be made, and is not made', async (t) => {
    const { parent } = await planted(t);
    assert.equal(await checked(join(parent, 'absent/below')), undefined);
    assert.deepEqual(await readdir(parent), ['data']);
  });

  test('one that cannot be made is told', async (t) => {
    const { parent } = await planted(t);
    const said = await withMode(parent, 0o555, () => checked(join(parent, 'absent/below')));
    assert.match(
      String(said),
      /absent\/below is not there, and \S+ cannot be written by this user .*: pushes will fail; make/,
    );
    assert.ok(said?.includes(` ${parent} cannot`), said);
  });

  test('a file, and a link that leads nowhere, can never work', async (t) => {
    const { parent } = await planted(t);
    await writeFile(join(parent, 'file'), '');
    await symlink('nowhere', join(parent, 'link'));
    await assert.rejects(checkRoot(join(parent, 'file')), /file is not a folder: name a folder/);
    await assert.rejects(checkRoot(join(parent, 'link')), /link is a link that leads nowhere: name a folder/);
  });
});
