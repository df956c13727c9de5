/** `registry config check`: what is printed, what never is, and how it ends. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import { load } from 'js-yaml';
import { ConfigError } from '../../registry/config/problem.ts';
import { checkConfig } from '../../registry/config-check.ts';
import { everyKey } from './config/schema.ts';

const program = join(import.meta.dirname, '../../bin/registry');
const SECRET = 'hunter22';

interface Ended {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

let folder = '';
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'berth-check-'));
});
after(() => rm(folder, { recursive: true }));

async function fileOf(text: string): Promise<string> {
  const path = join(folder, 'config.yml');
  await writeFile(path, text);
  return path;
}

/** The program itself, in an environment of its own. */
function run(args: readonly string[], env: Readonly<Record<string, string>> = {}, command = 'config'): Promise<Ended> {
  return new Promise((resolve) => {
    execFile(
      program,
      [command, ...args],
      { env: { PATH: '/usr/bin:/bin', ...env }, timeout: 30_000 },
      (error, ...out) => {
        const code = error === null ? 0 : typeof error.code === 'number' ? error.code : -1;
        resolve({ code, stdout: out[0], stderr: out[1] });
      },
    );
  });
}

/** The command in this process, which is faster; everything it says, in one text. */
async function said(text: string, env: Readonly<Record<string, string>>, ...args: readonly string[]): Promise<string> {
  const all: string[] = [];
  const output = { stdout: (line: string) => void all.push(line), stderr: (line: string) => void all.push(line) };
  try {
    await checkConfig([await fileOf(text), ...args], env, output);
  } catch (error) {
    assert.ok(error instanceof ConfigError, String(error));
    all.push(error.message);
  }
  return all.join('');
}

suite('the program', () => {
  test('prints the resolved configuration, and warnings apart', async () => {
    const path = await fileOf(
      `version: 0.1\nstorage: inmemory\nhttp: {secret: ${SECRET}, draintimeout: 90s}\nhtpp: {}`,
    );
    const { code, stdout, stderr } = await run(['check', path], { REGISTRY_HTTP_ADDR: ':5000' });
    assert.equal(code, 0, stderr);
    const shown = load(stdout) as { http: Record<string, unknown>; storage: object };
    assert.deepEqual(
      { addr: shown.http['addr'], secret: shown.http['secret'], draintimeout: shown.http['draintimeout'] },
      { addr: ':5000', secret: '[redacted]', draintimeout: '1m30s' },
    );
    assert.ok('inmemory' in shown.storage);
    assert.equal(stderr, `warning: ${path}: htpp: unknown key, ignored: did you mean "http"?\n`);
  });

  test('prints JSON when asked; the path comes from the environment', async () => {
    const path = await fileOf('version: 0.1\nstorage: inmemory');
    const { code, stdout } = await run(['check', '-o', 'json'], { REGISTRY_CONFIGURATION_PATH: path });
    assert.equal(code, 0);
    assert.equal((JSON.parse(stdout) as { version: string }).version, '0.1');
  });

  test('ends with 1 and every fault, one a line, and prints nothing else', async () => {
    const path = await fileOf('version: 0.1\nstorage: {s3: {accesskey: a}}\nhttp: {net: udp}\ntags: {maxtags: x}');
    const { code, stdout, stderr } = await run(['check', path]);
    assert.equal(code, 1);
    assert.equal(stdout, '');
    assert.deepEqual(
      stderr.trimEnd().split('\n'),
      [
        'storage.s3.secretkey: missing, though accesskey is set: write both or neither',
        "storage.s3.bucket: missing: write the bucket's name",
        "storage.s3.region: missing: write the bucket's region, such as us-east-1, or a regionendpoint",
        'http.net: expected one of tcp, unix, got "udp": write tcp for the default',
        'tags.maxtags: expected an integer, got "x": write 1000 for the default',
      ].map((line) => `${path}: ${line}`),
    );
  });

  test('a fault hides no warning: both are told, as by serve', async () => {
    const path = await fileOf('version: 0.1\nstorage: inmemory\nhttp: {net: udp, adr: ":5000"}');
    const expected = [
      `warning: ${path}: http.adr: unknown key, ignored: did you mean "addr"?`,
      `${path}: http.net: expected one of tcp, unix, got "udp": write tcp for the default`,
    ];
    const checked = await run(['check', path]);
    assert.deepEqual([checked.code, checked.stderr.trimEnd().split('\n')], [1, expected]);
    const served = await run([path], {}, 'serve');
    assert.deepEqual([served.code, served.stderr.trimEnd().split('\n')], [1, expected]);
  });

  const failures: readonly (readonly [string, () => readonly string[], RegExp])[] = [
    ['no such file', () => ['check', join(folder, 'nope')], /nope: there is no such file: name one that is there$/m],
    ['a folder', () => ['check', folder], /it is a folder: name a file in it$/m],
    ['two files', () => ['check', 'a', 'b'], /^usage: registry config check/],
    ['another format', () => ['check', '-o', 'xml'], /^usage: registry config check/],
    ['an unknown option', () => ['check', '--force'], /^usage: registry config check/],
    ['another subcommand', () => ['show'], /^registry: config has one subcommand: check/],
  ];
  for (const [name, args, expected] of failures) {
    test(`${name}: a sentence, 1, no stack`, async () => {
      const { code, stdout, stderr } = await run(args());
      assert.equal(code, 1);
      assert.equal(stdout, '');
      assert.match(stderr, expected);
      assert.doesNotMatch(stderr, /^\s+at /m);
    });
  }
});

suite('secrets are never shown', () => {
  const keys = everyKey();
  const secrets = keys.filter(({ spec }) => spec.secret === true);

  test('every key that is called like one counts as one', () => {
    const called =
      /(secret|password|accountkey|secretkey|sessiontoken|apikey|licensekey|credentials|connectionstring)$/;
    assert.ok(secrets.length >= 12, `only ${secrets.length} are known`);
    assert.deepEqual(
      keys.filter(({ path, spec }) => called.test(path) && spec.secret !== true).map(({ path }) => path),
      [],
    );
  });

  /** What has to be there so that the secret's section is read. */
  const surroundings: Readonly<Record<string, string>> = {
    s3: 'storage: {s3: {bucket: bbb, region: us-east-1, accesskey: a, secretkey: b}}',
    azure: 'storage: {azure: {accountname: a, container: c}}',
    gcs: 'storage: {gcs: {bucket: b}}',
  };
  for (const { path, variable } of secrets) {
    test(path, async () => {
      const driver = surroundings[path.split('.')[1] ?? ''] ?? 'storage: inmemory';
      const file = `version: 0.1\n${driver}\nredis: {addrs: ["r:1"]}`;
      const isMap = path.endsWith('gcs.credentials');
      const name = variable.replaceAll(/_N(?=_)/g, '_0');
      for (const args of [[], ['-o', 'json']]) {
        const value = isMap ? `{private_key: ${SECRET}, x: ${SECRET}}` : SECRET;
        const all = await said(file, { [name]: value }, ...args);
        assert.ok(all.length > 100);
        assert.ok(!all.includes(SECRET), all);
        // A value of another type is a fault, whose line must not hold it either.
        const faults = await said(file, { [name]: isMap ? SECRET : `[${SECRET}]` }, ...args);
        assert.match(faults, /expected/);
        assert.ok(!faults.includes(SECRET), faults);
      }
    });
  }

  const elsewhere: readonly string[] = [
    `health: {http: [{uri: "http://u:${SECRET}@h/", headers: {Authorization: [${SECRET}], X-Mine: [${SECRET}]}}]}`,
    `health: {http: [{uri: "http://h/?token=${SECRET}&a=b"}]}`,
    `log: {fields: {password: ${SECRET}, deep: {api_token: ${SECRET}, list: [{secret: ${SECRET}}]}}}`,
    `http: {headers: {Set-Cookie: ["a=${SECRET}"]}}`,
    `http: {host: "https://u:${SECRET}@h"}`,
    `middleware: {storage: [{name: redirect, options: {baseurl: "https://u:${SECRET}@h"}}]}`,
    `proxy: {remoteurl: "https://u:${SECRET}@h", password: ${SECRET}}`,
    `notifications: {endpoints: [{url: "https://u:${SECRET}@h", headers: {Authorization: [${SECRET}]}}]}`,
    `auth: {token: {realm: [${SECRET}]}}`,
    `log: {hooks: [{options: {smtp: {password: ${SECRET}}}}]}`,
  ];
  for (const yaml of elsewhere) {
    test(yaml.slice(0, 90), async () => {
      const all = await said(`version: 0.1\nstorage: inmemory\n${yaml}`, {});
      assert.ok(!all.includes(SECRET), all);
    });
  }

  test('a variable that holds a whole section and is no YAML', async () => {
    const all = await said('version: 0.1\nstorage: inmemory', { REGISTRY_HTTP: `{secret: ${SECRET}` });
    assert.match(all, /^REGISTRY_HTTP: not YAML: /);
    assert.ok(!all.includes(SECRET), all);
  });

  test('what is not secret is there to be seen', async () => {
    const all = await said(
      'version: 0.1\nstorage: {azure: {accountname: a, container: c, credentials: {type: client_secret, clientid: CLIENT, tenantid: t, secret: s}}}\n' +
        'http: {headers: {X-Frame-Options: [DENY]}}\nredis: {tls: {certificate: /c, key: /the.key}, addrs: ["r:1"]}',
      {},
    );
    for (const shown of ['CLIENT', 'DENY', '/the.key', 'r:1']) assert.ok(all.includes(shown), all);
  });
});
