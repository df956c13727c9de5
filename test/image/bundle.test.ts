import assert from 'node:assert/strict';
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { bundle } from '../../image/bundle.ts';
import { temporaryFolder } from '../support/registry-process.ts';
import { execute } from '../tools/execute.ts';

async function checkout(folder: string, files: Record<string, string>): Promise<void> {
  for (const [path, text] of Object.entries(files)) {
    await mkdir(dirname(join(folder, path)), { recursive: true });
    await writeFile(join(folder, path), text);
  }
}

test('in a bundle each source has the address of its place in the checkout', async (t) => {
  const root = await temporaryFolder(t);
  await checkout(root, {
    'registry/main.ts': `
      import { where } from './deep/where.ts';
      console.log(JSON.stringify({ ...where, mainIsMain: import.meta.main }));`,
    'registry/deep/where.ts': `
      export const where = {
        data: new URL('../../data/x.yaml', import.meta.url).pathname,
        folder: import.meta.dirname,
        isMain: import.meta.main,
      };`,
  });
  const built = await bundle(root, 'registry');
  assert.deepEqual(built.assets, ['data/x.yaml']);
  const home = await temporaryFolder(t);
  await writeFile(join(home, 'registry.mjs'), built.code);
  const { stdout } = await execute(process.execPath, [join(home, 'registry.mjs')]);
  assert.deepEqual(JSON.parse(stdout), {
    data: `${home}/data/x.yaml`,
    folder: `${home}/registry/deep`,
    isMain: false,
    mainIsMain: true,
  });
});

test('a stack trace from a bundle names the source and its line', async (t) => {
  const root = await temporaryFolder(t);
  await checkout(root, {
    'registry/main.ts': "import './fails.ts';\n",
    'registry/fails.ts': "\n\nthrow new Error('here');\n",
  });
  const built = await bundle(root, 'registry');
  const home = await temporaryFolder(t);
  await writeFile(join(home, 'registry.mjs'), built.code);
  await writeFile(join(home, 'registry.mjs.map'), built.map);
  const run = execute(process.execPath, ['--enable-source-maps', join(home, 'registry.mjs')]);
  await assert.rejects(run, /registry\/fails\.ts:3:7/);
});

test('what esbuild cannot resolve is an error that names the import', async (t) => {
  const root = await temporaryFolder(t);
  await checkout(root, { 'registry/main.ts': "import './missing.ts';\n" });
  await assert.rejects(bundle(root, 'registry'), /registry cannot be bundled:[\s\S]*missing\.ts/);
});

test('an import.meta that a bundle has no answer for is an error', async (t) => {
  const root = await temporaryFolder(t);
  await checkout(root, { 'registry/main.ts': 'console.log(import.meta.filename);\n' });
  await assert.rejects(bundle(root, 'registry'), /registry\/main\.ts: import\.meta\.filename is not carried over/);
});
