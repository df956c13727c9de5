import assert from 'node:assert/strict';
import { createVerify, generateKeyPairSync, type KeyObject } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import type { CloudFrontConfig, StorageMiddleware } from '../../registry/config/types.ts';
import { createMemoryStore } from '../../registry/storage/memory.ts';
import { wrapRedirects } from '../../registry/storage/redirect.ts';
import { createAddressSet } from '../../registry/storage/redirect-addresses.ts';
import { createAmazonRanges } from '../../registry/storage/redirect-ranges.ts';
import type { RedirectOptions } from '../../registry/storage/store.ts';
import { eventually } from '../support/eventually.ts';
import { temporaryFolder } from '../support/registry-process.ts';

/** Storage middlewares as functions of a URL; `test/real/redirects.test.ts` has them in a running registry. */

const path = '/docker/registry/v2/blobs/sha256/ab/abcd/data';
const presigned = 'https://bucket.s3.example:9000/root%20dir/docker/x?X-Amz-Signature=a%2Fb+c&d=e%20f';
const now = (): Date => new Date('2026-05-01T12:00:00Z');

/** What a store whose own URL is `own` gives once it is wrapped. */
async function wrapped(t: TestContext, middlewares: readonly StorageMiddleware[], own: string | null = presigned) {
  const warnings: string[] = [];
  const log = { debug() {}, info() {}, warn: (_: object, message: string) => void warnings.push(message), error() {} };
  const inner = { ...createMemoryStore(), redirectUrl: async () => own ?? undefined };
  const store = await wrapRedirects(inner, middlewares, { s3: { rootdirectory: 'root dir/' }, log, now });
  t.after(() => store.close());
  return { url: (options?: RedirectOptions) => store.redirectUrl(path, 'GET', options), warnings, store };
}

describe('redirect', () => {
  for (const [baseurl, expected] of [
    ['https://cdn.example.com', `https://cdn.example.com${path}`],
    ['https://cdn.example.com:8443/', `https://cdn.example.com:8443${path}`],
    ['http://cdn.example.com/a/b//?x=1#y', `http://cdn.example.com/a/b${path}`],
  ] as const) {
    test(`${baseurl} and the path in the storage, whether the storage has URLs or not`, async (t) => {
      for (const own of [presigned, null]) {
        const { url } = await wrapped(t, [{ name: 'redirect', baseurl }], own);
        assert.equal(await url(), expected);
      }
    });
  }
});

describe('rewrite', () => {
  const none = { name: 'rewrite', scheme: undefined, host: undefined, trimpathprefix: undefined } as const;

  for (const [change, expected] of [
    [{}, presigned],
    [{ scheme: 'http' }, presigned.replace('https:', 'http:')],
    [{ host: 'cdn.example.com' }, presigned.replace('bucket.s3.example:9000', 'cdn.example.com')],
    [{ trimpathprefix: '/root dir' }, presigned.replace('/root%20dir', '')],
    [{ trimpathprefix: '/root%20dir/docker/' }, presigned.replace('/root%20dir/docker/', '/')],
    [{ trimpathprefix: '/elsewhere' }, presigned],
  ] as const) {
    test(`${JSON.stringify(change)} changes that, and no letter of what is signed`, async (t) => {
      const { url } = await wrapped(t, [{ ...none, ...change }]);
      assert.equal(await url(), expected);
    });
  }

  test('a storage without URLs stays without', async (t) => {
    const { store } = await wrapped(t, [{ ...none, scheme: 'https', host: 'cdn.example.com' }], null);
    assert.equal(await store.redirectUrl(path, 'GET'), undefined);
  });

  test('several apply in order, the last outermost', async (t) => {
    const { url } = await wrapped(t, [
      { name: 'redirect', baseurl: 'https://first.example/prefix' },
      { ...none, host: 'second.example', trimpathprefix: '/prefix' },
      { ...none, host: 'third.example' },
    ]);
    assert.equal(await url(), `https://third.example${path}`);
  });
});

describe('cloudfront', () => {
  const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });

  async function configured(t: TestContext, more: Partial<CloudFrontConfig> = {}, type: 'pkcs1' | 'pkcs8' = 'pkcs1') {
    const file = join(await temporaryFolder(t), 'key.pem');
    await writeFile(file, privateKey.export({ type, format: 'pem' }));
    const config: CloudFrontConfig = {
      name: 'cloudfront',
      baseurl: 'https://d111.cloudfront.example/base',
      privatekey: file,
      keypairid: 'APKAEXAMPLE',
      duration: 20 * 60_000,
      ipfilteredby: 'none',
      awsregion: [],
      updatefrequency: 3_600_000,
      iprangesurl: 'http://127.0.0.1:1/',
      ...more,
    };
    return config;
  }

  for (const type of ['pkcs1', 'pkcs8'] as const) {
    test(`a ${type} key signs the object's URL with its root folder, until the duration has passed`, async (t) => {
      const { url } = await wrapped(t, [await configured(t, {}, type)]);
      const signed = new URL((await url()) ?? '');
      assert.equal(signed.origin + signed.pathname, `https://d111.cloudfront.example/base/root%20dir${path}`);
      const { Expires: expires, 'Key-Pair-Id': id, Signature: signature } = Object.fromEntries(signed.searchParams);
      assert.equal(id, 'APKAEXAMPLE');
      assert.equal(Number(expires), now().getTime() / 1000 + 1200);
      assert.ok(isSigned(publicKey, signed.origin + signed.pathname, expires ?? '', signature ?? ''));
      assert.ok(!isSigned(publicKey, signed.origin + signed.pathname, '1', signature ?? ''));
    });
  }

  test('a key that cannot be used stops the start, and is named', async (t) => {
    const config = await configured(t, { privatekey: '/nowhere/key.pem' });
    await assert.rejects(
      wrapped(t, [config]),
      /cloudfront: options.privatekey \/nowhere\/key.pem: there is no such file/,
    );
    const file = join(await temporaryFolder(t), 'key.pem');
    await writeFile(file, 'no key');
    await assert.rejects(wrapped(t, [{ ...config, privatekey: file }]), /is no private key in PEM/);
  });

  test("clients at Amazon's addresses, in the regions that are named, are sent to the bucket", async (t) => {
    const list = await startList(t);
    for (const [filter, awsregion, address, isBucket] of [
      ['none', [], '3.5.140.9', false],
      ['aws', [], '3.5.140.9', true],
      ['aws', [], '3.5.144.9', false],
      ['aws', [], '::ffff:3.5.140.9', true],
      ['aws', [], '2600:1f70:4000::7', true],
      ['aws', [], undefined, false],
      ['aws', [], 'no address', false],
      ['awsregion', ['eu-west-1'], '3.5.140.9', false],
      ['awsregion', ['eu-west-1', 'ap-northeast-2'], '3.5.140.9', true],
    ] as const) {
      const config = await configured(t, { ipfilteredby: filter, awsregion, iprangesurl: list.url });
      const { url } = await wrapped(t, [config]);
      const isKnown = async (): Promise<void> => {
        assert.equal(
          (await url({ client: '3.5.140.9' })) === presigned || (await url({ client: '52.94.5.5' })) === presigned,
          filter !== 'none',
        );
      };
      await eventually(isKnown);
      assert.equal((await url({ client: address })) === presigned, isBucket, `${filter} ${awsregion} ${address}`);
    }
  });
});

describe("Amazon's address ranges", () => {
  const silent = { debug() {}, info() {}, error() {} };

  test('a list that cannot be read keeps the last good one, is told once each time, and is tried again', async (t) => {
    const list = await startList(t);
    const warnings: string[] = [];
    const log = {
      ...silent,
      warn: (fields: object, message: string) => void warnings.push(`${message} ${JSON.stringify(fields)}`),
    };
    const ranges = createAmazonRanges({ url: list.url, regions: undefined, updateFrequency: 20, retryAfter: 20, log });
    t.after(() => ranges.close());
    await eventually(() => assert.ok(ranges.has('3.5.140.9')));
    for (const broken of ['500', 'garbage', 'empty', 'hanging up'] as const) {
      list.answer(broken);
      const before = warnings.length;
      await eventually(() => assert.ok(warnings.length > before + 1));
      assert.match(warnings.at(-1) ?? '', /the last good list is kept/);
      assert.ok(ranges.has('3.5.140.9'), broken);
    }
    list.answer('another');
    await eventually(() => assert.ok(!ranges.has('3.5.140.9') && ranges.has('192.0.2.1')));
  });

  test('a server that never ends its answer does not keep it from being asked again', async (t) => {
    const list = await startList(t);
    list.answer('slow');
    const ranges = createAmazonRanges({
      url: list.url,
      regions: undefined,
      updateFrequency: 20,
      retryAfter: 20,
      deadline: 100,
      log: { ...silent, warn() {} },
    });
    t.after(() => ranges.close());
    await eventually(() => assert.ok(list.asked() >= 3));
    assert.equal(ranges.has('3.5.140.9'), false);
    list.answer('good');
    await eventually(() => assert.ok(ranges.has('3.5.140.9')));
  });

  test('addresses of both kinds are found where ranges begin and end, and garbage nowhere', () => {
    const set = createAddressSet([
      '10.0.0.0/8',
      '10.1.0.0/16',
      '11.0.0.0/32',
      '2001:db8::/32',
      'x',
      '1.2.3.4',
      '1.2.3.4/33',
    ]);
    assert.equal(set.size, 2);
    for (const inside of [
      '10.0.0.0',
      '10.255.255.255',
      '11.0.0.0',
      '::ffff:a01:203',
      '2001:db8:ffff::1',
      '2001:DB8::',
    ]) {
      assert.ok(set.has(inside), inside);
    }
    for (const outside of [
      '9.255.255.255',
      '11.0.0.1',
      '2001:db9::',
      '::',
      '::1',
      '',
      '1.2.3.4',
      '10.0.0',
      'fe80::1%eth0',
    ]) {
      assert.ok(!set.has(outside), outside);
    }
  });
});

/** As CloudFront checks it: the canned policy, signed with RSA and SHA-1, in its own base64. */
function isSigned(key: KeyObject, url: string, expires: string, signature: string): boolean {
  const policy = `{"Statement":[{"Resource":"${url}","Condition":{"DateLessThan":{"AWS:EpochTime":${expires}}}}]}`;
  const base64 = signature.replaceAll('-', '+').replaceAll('_', '=').replaceAll('~', '/');
  return createVerify('RSA-SHA1').update(policy).verify(key, base64, 'base64');
}

type Mood = 'good' | 'another' | '500' | 'garbage' | 'empty' | 'hanging up' | 'slow';

/** Publishes ranges as Amazon does, in several moods. */
async function startList(t: TestContext) {
  let mood: Mood = 'good';
  let asked = 0;
  const prefixes = (...list: readonly string[]) =>
    list.map((prefix) => ({ ip_prefix: prefix, region: 'ap-northeast-2', service: 'S3' }));
  const good = {
    syncToken: '1',
    prefixes: [...prefixes('3.5.140.0/22'), { ip_prefix: '52.94.5.0/24', region: 'eu-west-1', service: 'AMAZON' }],
    ipv6_prefixes: [{ ipv6_prefix: '2600:1f70:4000::/56', region: 'us-west-2', service: 'EC2' }],
  };
  const server = http.createServer((_request, response) => {
    asked++;
    if (mood === 'hanging up') response.destroy();
    else if (mood === 'slow') response.write('{"prefixes": [');
    else if (mood === '500') response.writeHead(500).end('busy');
    else if (mood === 'garbage') response.end('<html>');
    else if (mood === 'empty') response.end('{"prefixes": [], "ipv6_prefixes": []}');
    else if (mood === 'another') response.end(JSON.stringify({ prefixes: prefixes('192.0.2.0/24') }));
    else response.end(JSON.stringify(good));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/ip-ranges.json`,
    asked: () => asked,
    answer(next: Mood) {
      mood = next;
    },
  };
}
