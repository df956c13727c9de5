/** The files that a configuration names: every one that the registry could not use is told, with its key. */
import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import { checkFiles } from '../../../registry/config/files.ts';
import { checkConfig } from '../../../registry/config-check.ts';
import { configOf } from './reading.ts';

let folder = '';
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'berth-files-'));
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  await writeFile(join(folder, 'key.pem'), privateKey.export({ type: 'pkcs8', format: 'pem' }));
  await writeFile(join(folder, 'key.json'), '{}');
  await writeFile(join(folder, 'text'), 'hunter2');
});
after(() => rm(folder, { recursive: true }));

const S3 = 's3: {bucket: my-bucket, region: eu-central-1}';

/** `names`: of the certificate, its key, an authority, the key of CloudFront, that of schema 1. */
const fileOf = (names: readonly string[], storage = S3): string => {
  const [certificate, key, rootca, cloudfront, signing] = names.map((name) => join(folder, name));
  return `version: 0.1
storage: {${storage}, cache: {blobdescriptor: redis}}
redis: {addrs: ["r:1"], tls: {certificate: ${certificate}, key: ${key}, rootcas: [${rootca}]}}
middleware: {storage: [{name: cloudfront, options: {baseurl: b, privatekey: ${cloudfront}, keypairid: i}}]}
compatibility: {schema1: {signingkeyfile: ${signing}}}
`;
};

async function found(file: string): Promise<readonly string[]> {
  return (await checkFiles(configOf(file))).map(({ path, message }) => `${path}: ${message.replaceAll(folder, '')}`);
}

suite('files that a configuration names', () => {
  test('that are there and of their kind: no fault', async () => {
    assert.deepEqual(await found(fileOf(['key.pem', 'key.pem', 'key.pem', 'key.pem', 'key.pem'])), []);
    assert.deepEqual(await found(fileOf(['key.pem', 'key.pem', 'key.pem', 'key.pem', 'key.json'])), []);
  });

  test('are told all at once, none of their content with them', async () => {
    assert.deepEqual(await found(fileOf(['gone', 'text', '.', 'text', 'text'])), [
      'redis.tls.certificate: /gone: there is no such file',
      'redis.tls.key: /text: is not PEM',
      'redis.tls.rootcas.0: : it is a folder',
      'middleware.storage.0.options.privatekey: /text: is no private key in PEM without a passphrase, RSA or EC',
      'compatibility.schema1.signingkeyfile: /text: is not PEM',
    ]);
  });

  test("Google's key file is JSON", async () => {
    const of = (name: string): string => `version: 0.1\nstorage: {gcs: {bucket: b, keyfile: ${join(folder, name)}}}`;
    assert.deepEqual(await found(of('key.json')), []);
    assert.deepEqual(await found(of('text')), ['storage.gcs.keyfile: /text: is not a map in JSON']);
  });

  test('that nothing reads are not looked at', async () => {
    const file = 'version: 0.1\nstorage: inmemory\nredis: {addrs: ["r:1"], tls: {rootcas: [/gone]}}';
    assert.deepEqual(await found(file), []);
  });

  test('config check refuses what serve would refuse', async () => {
    const path = join(folder, 'config.yml');
    await writeFile(path, fileOf(['gone', 'key.pem', 'key.pem', 'lost', 'key.pem']));
    const printed: string[] = [];
    const output = { stdout: (text: string) => void printed.push(text), stderr: () => {} };
    await assert.rejects(checkConfig([path], {}, output), (error: Error) => {
      assert.deepEqual(error.message.split('\n'), [
        `${path}: redis.tls.certificate: ${folder}/gone: there is no such file: name one that can be used`,
        `${path}: middleware.storage.0.options.privatekey: ${folder}/lost: there is no such file: name one that can be used`,
      ]);
      return true;
    });
    assert.deepEqual(printed, []);
  });
});
