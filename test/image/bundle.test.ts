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

test('what is imported later is in a file of its own, and the program without it does not hold its code', async (t) => {
  const root = await temporaryFolder(t);
  await checkout(root, {
    'registry/main.ts': `
      const { where } = process.argv[2] === 'late' ? await import('./storage/late.ts') : { where: 'nowhere' };
      console.log(where);`,
    'registry/storage/late.ts': "export const where = new URL('../../data/late.yaml', import.meta.url).pathname;\n",
  });
  const built = await bundle(root, 'registry');
  const codes = [...built.parts.keys()].filter((name) => name.endsWith('.mjs'));
  assert.equal(codes.length, 1);
  assert.match(codes[0] ?? '', /^registry-late-\w+\.mjs$/);
  assert.ok(built.parts.has(`${codes[0]}.map`));
  assert.ok(!built.code.includes('late.yaml'));
  const home = await temporaryFolder(t);
  await writeFile(join(home, 'registry.mjs'), built.code);
  assert.equal((await execute(process.execPath, [join(home, 'registry.mjs')])).stdout, 'nowhere\n');
  for (const [name, text] of built.parts) await writeFile(join(home, name), text);
  const { stdout } = await execute(process.execPath, [join(home, 'registry.mjs'), 'late']);
  assert.equal(stdout, `${home}/data/late.yaml\n`);
});

test('the registry loads the SDK of a storage only with that storage', async () => {
  const built = await bundle(new URL('../..', import.meta.url).pathname.replace(/\/$/, ''), 'registry');
  const marks = { 's3.ts': '@aws-sdk', 'azure.ts': '@azure', 'gcs.ts': '@google-cloud' };
  for (const [source, scope] of Object.entries(marks)) {
    assert.ok(!built.code.includes(`// node_modules/${scope}/`), `${scope} is in the program itself`);
    assert.ok(!built.code.includes(`// registry/storage/${source}\n`), source);
    const later = [...built.parts].filter(
      ([name, text]) => name.endsWith('.mjs') && text.includes(`// node_modules/${scope}/`),
    );
    assert.ok(later.length > 0, `${scope} is nowhere`);
  }
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
