import assert from 'node:assert/strict';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { authority, certificate } from '../support/apiserver-pki.ts';
import { eventually } from '../support/eventually.ts';
import { type RedisServer, startRedis } from '../support/redis.ts';
import { blobOf, nameOf, openCache, remembers } from '../support/redis-cache.ts';
import { temporaryFolder } from '../support/registry-process.ts';
import { requireTool } from '../support/tools.ts';

/** The descriptor cache on Redis in all the ways in which it is run: TLS, users with few rights, sentinels, a cluster. */

const name = nameOf('team/app');

const programsFor = (t: TestContext) => requireTool(t, 'redis-server', 'redis-cli');

describe('one server', () => {
  /** What Distribution's cache needs, and nothing more. */
  const rights = '~blobs::* ~repository::* +hmget +hset +hsetnx +hdel +sadd +srem +del +ping';

  test('TLS with a client certificate, a user with just the rights that are needed, another database', async (t) => {
    const programs = await programsFor(t);
    if (!programs) return;
    const pki = join(await temporaryFolder(t), 'pki');
    await mkdir(pki);
    await authority(pki, 'ca');
    await authority(pki, 'another');
    await certificate(pki, { name: 'server', subject: '/CN=redis', usage: 'serverAuth', names: 'IP:127.0.0.1' });
    await certificate(pki, { name: 'client', subject: '/CN=registry', usage: 'clientAuth' });
    const file = (named: string): string => join(pki, named);
    const redis = await startRedis(t, {
      programs,
      lines: [`user registry on >secret-of-redis ${rights} +select`, 'user default on nopass ~* +@all'],
      tls: {
        lines: [
          `tls-cert-file ${file('server.crt')}`,
          `tls-key-file ${file('server.key')}`,
          `tls-ca-cert-file ${file('ca.crt')}`,
        ],
        cli: ['--tls', '--cacert', file('ca.crt'), '--cert', file('client.crt'), '--key', file('client.key')],
      },
    });
    const tls = { certificate: file('client.crt'), key: file('client.key'), rootcas: [file('ca.crt')] };
    const login = { addrs: [redis.address], username: 'registry', password: 'secret-of-redis', db: 3 };
    const cache = await openCache(t, { redis: { ...login, tls } });
    await remembers(cache, 'a layer');
    assert.equal(await cache.clear([{ name, digest: blobOf('a layer').digest }]), true);
    assert.deepEqual(cache.log, [
      // Who may not do more is not told so by what the cache does.
      'info using redis blob descriptor cache {}',
    ]);
    assert.deepEqual(await redis.cli('-n', '3', 'EXISTS', `blobs::${blobOf('a layer').digest}`), ['1']);

    for (const [what, wrong, reason] of [
      [
        'without a certificate',
        { tls: { ...tls, certificate: undefined, key: undefined } },
        /certificate required|closed/i,
      ],
      [
        'with an authority that did not sign it',
        { tls: { ...tls, rootcas: [file('another.crt')] } },
        /self-signed|unable to verify/,
      ],
      ['in plain text', { tls: undefined }, /closed|ECONNRESET|EPIPE|no answer/i],
      ['with a wrong password', { tls, password: 'guessed' }, /WRONGPASS/],
    ] as const) {
      const refused = await openCache(t, { redis: { ...login, ...wrong } });
      await eventually(() => assert.match(refused.log.join('\n'), reason, what));
      assert.equal(await refused.find(blobOf('a layer').digest, {}), undefined);
      assert.doesNotMatch(refused.log.join('\n'), /secret-of-redis|guessed/);
    }
  });

  test('files of TLS that cannot be used stop the start, and are named', async (t) => {
    const missing = { certificate: undefined, key: undefined, rootcas: ['/nowhere/ca.crt'] };
    const opening = openCache(t, { redis: { addrs: ['127.0.0.1:1'], tls: missing } });
    await assert.rejects(opening, { message: 'redis.tls.rootcas[0]: /nowhere/ca.crt: there is no such file' });
    const garbage = { ...missing, rootcas: [new URL('./redis-topologies.test.ts', import.meta.url).pathname] };
    await assert.rejects(openCache(t, { redis: { addrs: ['127.0.0.1:1'], tls: garbage } }), /is not PEM/);
  });
});

test('sentinels: the master that they name is used, and the one that takes over', async (t) => {
  const programs = await programsFor(t);
  if (!programs) return;
  const first = await startRedis(t, { programs, lines: ['requirepass data', 'masterauth data'] });
  const second = await startRedis(t, {
    programs,
    lines: ['requirepass data', 'masterauth data', `replicaof 127.0.0.1 ${first.port}`],
  });
  const lines = [
    `sentinel monitor shared 127.0.0.1 ${first.port} 1`,
    'sentinel auth-pass shared data',
    'sentinel down-after-milliseconds shared 500',
    'sentinel failover-timeout shared 2000',
    'requirepass watch',
  ];
  const sentinel = await startRedis(t, { programs, lines, sentinel: true });
  await eventually(async () => {
    assert.match(
      (await sentinel.cli('-a', 'watch', 'SENTINEL', 'replicas', 'shared')).join(' '),
      new RegExp(`${second.port}`),
    );
  });
  const cache = await openCache(t, {
    redis: {
      addrs: ['127.0.0.1:1', sentinel.address],
      mastername: 'shared',
      password: 'data',
      sentinelpassword: 'watch',
    },
  });
  await remembers(cache, 'at the first master');
  assert.match((await first.cli('-a', 'data', 'INFO', 'clients')).join(' '), /connected_clients:[2-9]/);
  await eventually(async () => {
    assert.match((await second.cli('-a', 'data', 'INFO', 'replication')).join(' '), /master_link_status:up/);
  });
  await first.stop();
  await remembers(cache, 'at the one that took over');
  assert.deepEqual(await second.cli('-a', 'data', 'EXISTS', `blobs::${blobOf('at the one that took over').digest}`), [
    '1',
  ]);
});

test('a cluster: every key where it belongs; with a node gone the others go on', async (t) => {
  const programs = await programsFor(t);
  if (!programs) return;
  const lines = ['cluster-enabled yes', 'cluster-node-timeout 2000', 'cluster-require-full-coverage no'];
  const nodes = await Promise.all([1, 2, 3].map(() => startRedis(t, { programs, lines })));
  const [first, second, third] = nodes as [RedisServer, RedisServer, RedisServer];
  await first.cli('CLUSTER', 'ADDSLOTSRANGE', '0', '5460');
  await second.cli('CLUSTER', 'ADDSLOTSRANGE', '5461', '10922');
  await third.cli('CLUSTER', 'ADDSLOTSRANGE', '10923', '16383');
  for (const node of [second, third]) await first.cli('CLUSTER', 'MEET', '127.0.0.1', String(node.port));
  for (const node of nodes) {
    await eventually(async () => {
      const info = (await node.cli('CLUSTER', 'INFO')).join(' ');
      assert.match(info, /cluster_state:ok.*cluster_slots_assigned:16384.*cluster_known_nodes:3/);
    });
  }
  const cache = await openCache(t, { redis: { addrs: [first.address, second.address] } });
  const blobs = Array.from({ length: 30 }, (_, index) => blobOf(`layer ${index}`));
  await eventually(async () => {
    for (const blob of blobs) cache.note(name, blob);
    for (const blob of blobs) assert.equal(await cache.find(blob.digest, {}), blob.size);
  });
  for (const node of nodes) assert.notDeepEqual(await node.cli('DBSIZE'), ['0']);
  assert.equal(await cache.clear(blobs.map(({ digest }) => ({ name, digest }))), true);

  await third.stop();
  await eventually(async () => {
    const sizes: unknown[] = [];
    for (const blob of blobs) {
      cache.note(name, blob);
      sizes.push(await cache.find(blob.digest, {}));
    }
    const found = sizes.filter((size) => size !== undefined).length;
    assert.ok(found > 5 && found < blobs.length, `${found} of ${blobs.length} are found`);
  });
});
