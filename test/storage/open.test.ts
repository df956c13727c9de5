/** Which libraries a configured storage loads, and what is said of one that cannot be used. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { execute } from '../tools/execute.ts';

const root = new URL('../..', import.meta.url).pathname;

/** Names what a fresh process loads of other people's packages when it opens this storage. */
const script = `
  import { registerHooks } from 'node:module';
  const loaded = new Set();
  registerHooks({
    load(url, context, next) {
      const found = /node_modules\\/((?:@[^/]+\\/)?[^/]+)\\//.exec(url);
      if (found) loaded.add(found[1]);
      return next(url, context);
    },
  });
  const { openStore } = await import('${root}registry/storage/open.ts');
  await import('${root}registry/serve.ts');
  const log = { debug() {}, info() {}, warn() {}, error() {} };
  const store = await openStore(JSON.parse(process.argv[1]), { log, userAgent: 'berth/test' });
  await store.close();
  console.log([...loaded].sort().join('\\n'));
`;

const azure = {
  type: 'azure',
  accountname: 'account',
  accountkey: 'a2V5',
  container: 'container',
  credentials: { type: 'shared_key' },
  realm: 'core.windows.net',
  rootdirectory: 'root',
  maxretries: 5,
  retrydelay: 100,
  skipverify: false,
};
const gcs = {
  type: 'gcs',
  bucket: 'bucket',
  rootdirectory: '',
  chunksize: 262_144,
  maxconcurrency: 50,
  endpoint: 'http://127.0.0.1:1',
};

async function loadedBy(driver: Record<string, unknown>): Promise<readonly string[]> {
  const args = ['--disable-warning=ExperimentalWarning', '--input-type=module', '-e', script, JSON.stringify(driver)];
  return (await execute(process.execPath, args, { cwd: root })).stdout.trim().split('\n');
}

describe('libraries are loaded by the storage that needs them', () => {
  const scopes = ['@aws-sdk/', '@azure/', '@google-cloud/'];
  const cases: readonly (readonly [Record<string, unknown>, string | undefined])[] = [
    [{ type: 'inmemory' }, undefined],
    [{ type: 'filesystem', rootdirectory: '/nowhere', maxthreads: 100 }, undefined],
    [azure, '@azure/'],
    [gcs, '@google-cloud/'],
  ];
  for (const [driver, own] of cases) {
    it(`${driver['type']}: ${own ?? 'none'}`, async () => {
      const loaded = await loadedBy(driver);
      assert.ok(loaded.includes('fastify'), 'the hook saw nothing');
      const met = scopes.filter((scope) => loaded.some((name) => name.startsWith(scope)));
      assert.deepEqual(met, own === undefined ? [] : [own]);
      // Heavy, and of no use to an account's key.
      assert.ok(!loaded.includes('@azure/identity') && !loaded.includes('@azure/msal-node'));
    });
  }
});
