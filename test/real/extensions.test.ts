import assert from 'node:assert/strict';
import { mkdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { stablePort } from '../support/apiserver-process.ts';
import { createPushClient, digestOf, imageManifest } from '../support/push-client.ts';
import { startServer, temporaryFolder } from '../support/registry-process.ts';
import { CommandError, execute } from '../tools/execute.ts';

/** Extension points: the program and the configuration of `docs/extending.md`, as they stand there. */

const root = new URL('../..', import.meta.url).pathname;
const page = await readFile(join(root, 'docs/extending.md'), 'utf8');

const blockOf = (language: string): string => {
  const [, code] = new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\`$`, 'ms').exec(page) ?? [];
  assert.ok(code, `the page has a block of ${language}`);
  return code;
};

/** The page's program beside a checkout of which everything else is as it is, and its configuration. */
async function written(t: TestContext, change: (configuration: string) => string = (text) => text) {
  const folder = await temporaryFolder(t);
  await mkdir(join(folder, 'registry'));
  for (const name of ['node_modules', 'package.json']) await symlink(join(root, name), join(folder, name));
  const program = join(folder, 'registry/main.ts');
  await writeFile(program, blockOf('ts').replaceAll("from './", `from '${join(root, 'registry')}/`));
  const port = await stablePort();
  const config = join(folder, 'config.yml');
  const data = join(folder, 'data');
  const here = blockOf('yaml').replace('/var/lib/registry', data).replace('addr: :5000', `addr: 127.0.0.1:${port}`);
  await writeFile(config, change(here));
  return { folder, program, config, port };
}

test("the page's program does what the page says", async (t) => {
  const { program, config, port } = await written(t);
  const secretBytes = Buffer.from('withheld');
  const command = [process.execPath, program, 'serve', config];
  const server = await startServer(t, { command, port, env: { WITHHELD: digestOf(secretBytes) } });
  const client = createPushClient(server.url);
  t.after(() => client.close());
  const first = Buffer.from('first');
  const pushed = await client.pushImage('team/app', 'v1.0', [first]);

  // A release stays where it is, in every repository, also when it is named beside a digest; other tags move.
  await client.pushImage('team/app', 'latest', [first]);
  await client.pushImage('team/app', 'latest', [Buffer.from('second')]);
  await assert.rejects(
    client.pushImage('team/app', 'v1.0', [Buffer.from('second')]),
    /answered 403.*DENIED.*is a release/,
  );
  assert.equal((await client.pullManifest('team/app', 'v1.0')).digest, pushed.digest);
  await client.pushImage('team/app', 'v1.0', [first]);

  // Listed are those that are not hidden; hidden ones are served.
  await client.pushImage('internal/tool', 'latest', [first]);
  assert.deepEqual(await client.catalog(), ['team/app']);
  await client.pullManifest('internal/tool', 'latest');
  await client.pushImage('archive/old', 'latest', [first]);
  assert.ok((await client.catalog()).includes('archive/old'), 'the disabled entry hides nothing');

  // What is withheld is there neither for clients nor for the manifests that they push.
  const digest = await client.pushBlob('team/app', secretBytes);
  for (const method of ['GET', 'HEAD'] as const) {
    assert.equal((await client.send(method, `/v2/team/app/blobs/${digest}`)).status, 404);
  }
  const config2 = { digest: digestOf(first), size: first.length };
  const manifest = imageManifest(config2, [{ digest, size: secretBytes.length }]);
  await assert.rejects(client.pushManifest('team/app', 'latest', manifest), /MANIFEST_BLOB_UNKNOWN/);
  assert.deepEqual(server.complaints(), []);
});

test('an unknown name and what a middleware throws at the start end it with one sentence, also where it is only checked', async (t) => {
  for (const [change, subcommands, expected] of [
    [
      (text: string) => text.replace('name: fixedTags', 'name: fixedTag'),
      [['serve'], ['config', 'check'], ['garbage-collect', '--dry-run']],
      /middleware\.repository(\.0|\[0\]).*no middleware is called "fixedTag".*fixedTags/s,
    ],
    [
      (text: string) => text.replace('prefix: internal/', 'suffix: internal/'),
      [['serve']],
      /^registry: middleware hidden: options.prefix has to be a text$/m,
    ],
  ] as const) {
    const { program, config } = await written(t, change);
    for (const subcommand of subcommands) {
      const error = await execute(process.execPath, [program, ...subcommand, config]).catch(
        (thrown: unknown) => thrown,
      );
      assert.ok(error instanceof CommandError, subcommand.join(' '));
      assert.equal(error.code, 1);
      assert.match(error.stderr, expected);
      assert.doesNotMatch(error.stderr, /^\s+at /m);
    }
  }
  const { program, config } = await written(t);
  await execute(process.execPath, [program, 'config', 'check', config]);
});

test("the page's program has no type error", async (t) => {
  const { folder, program } = await written(t);
  const project = join(folder, 'tsconfig.json');
  const options = { typeRoots: [join(root, 'node_modules/@types')], types: ['node'] };
  await writeFile(
    project,
    JSON.stringify({ extends: join(root, 'tsconfig.json'), compilerOptions: options, include: [], files: [program] }),
  );
  const found = await execute(join(root, 'node_modules/.bin/tsc'), ['--noEmit', '-p', project]).catch(
    (error: CommandError) => error.stdout,
  );
  // Sources of the checkout are another test's affair.
  const own =
    typeof found === 'string' ? found.split('\n').filter((line) => /^\S*registry\/main\.ts\(/.test(line)) : [];
  assert.deepEqual(own, []);
});
