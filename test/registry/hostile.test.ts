/**
 * Clients that break off, dawdle, lie or speak no HTTP. None of them harms another client, nothing answers 500, and what
 * stays behind is an upload that a purge can find. A well-behaved client works all the while.
 */
import assert from 'node:assert/strict';
import { existsSync, globSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { eventually } from '../support/eventually.ts';
import { createPushClient, digestOf, imageManifest, type PushClient, types } from '../support/push-client.ts';
import { createChance } from '../support/push-client-random.ts';
import { type RegistryProcess, startRegistry, temporaryFolder } from '../support/registry-process.ts';
import { connect, exchange, head } from '../support/torn.ts';

const chance = createChance('hostile');
const name = 'victim';
const layer = chance.bytes(2_000_000);
let root: string;
let server: RegistryProcess;
let client: PushClient;
let port: number;
let tag: string;
let descriptors: number;
const cleanup: (() => Promise<void>)[] = [];

const openDescriptors = (): number => readdirSync(`/proc/${server.pid}/fd`).length;
const pathOf = (location: string): string => {
  const { pathname, search } = new URL(location);
  return pathname + search;
};
const beginPath = async (): Promise<string> => pathOf(await client.beginUpload(name));

/** The well-behaved client: pushes and pulls without a pause, and must never see anything unusual. */
let isOver = false;
let rounds = 0;
let canary: Promise<void> = Promise.resolve();
async function behave(url: string): Promise<void> {
  const good = createPushClient(url, { connections: 4 });
  const own = createChance('well-behaved');
  try {
    for (; !isOver; rounds++) {
      const bytes = own.bytes(100_000);
      const { digest } = await good.pushImage('good', `t${rounds % 5}`, [bytes]);
      assert.equal((await good.pullManifest('good', `t${rounds % 5}`)).digest, digest);
      assert.ok((await good.pullBlob('good', digestOf(bytes))).equals(bytes));
      await sleep(20);
    }
  } finally {
    await good.close();
  }
}

before(async () => {
  const context = { after: (work: () => Promise<void>) => void cleanup.unshift(work) };
  root = join(await temporaryFolder(context), 'data');
  server = await startRegistry(context, { root });
  port = server.port;
  client = createPushClient(server.url);
  tag = (await client.pushImage(name, 'v1', [layer])).digest;
  canary = behave(server.url);
  // Seen in `after`; a failure must not end the process before that.
  canary.catch(() => undefined);
  descriptors = openDescriptors();
});

after(async () => {
  isOver = true;
  try {
    await canary;
    assert.ok(rounds > 3, 'the well-behaved client got on with its work');
    assert.equal((await client.pullManifest(name, 'v1')).digest, tag);
    await client.pullBlob(name, digestOf(layer));
    for (const folder of globSync('docker/registry/v2/repositories/*/_uploads/*', { cwd: root })) {
      assert.ok(
        existsSync(join(root, folder, 'startedat')),
        `purge cannot find ${folder}: it holds ${readdirSync(join(root, folder))}`,
      );
    }
    assert.deepEqual(globSync('docker/registry/v2/**/*.tmp', { cwd: root }), [], 'temporary files');
    await eventually(
      () =>
        assert.ok(
          openDescriptors() <= descriptors + 20,
          `${openDescriptors()} descriptors are open, ${descriptors} at the start`,
        ),
      10_000,
    );
    assert.deepEqual(server.complaints(), []);
  } finally {
    await client.close();
    for (const work of cleanup) await work();
  }
});

test('a client that breaks off in a PATCH can go on where the registry says', async () => {
  const path = await beginPath();
  const bytes = chance.bytes(1_000_000);
  const connection = await connect(port);
  await connection.send(
    head(`PATCH ${path}`, `Content-Length: ${bytes.length}`, 'Content-Type: application/octet-stream'),
  );
  await connection.send(bytes.subarray(0, 400_000));
  await sleep(50);
  connection.tear();
  const status = await eventually(async () => {
    const reply = await client.expect(204, 'GET', path);
    assert.match(reply.headers['range'] ?? '', /^0-[1-9]/);
    return reply;
  });
  const stored = Number(status.headers['range']?.slice(2)) + 1;
  assert.ok(stored <= 400_000);
  await client.finishUpload(status.headers['location'] ?? '', digestOf(bytes), bytes.subarray(stored));
  await client.pullBlob(name, digestOf(bytes));
});

test('a client that breaks off in a PUT, a POST or a manifest has pushed nothing', async () => {
  const bytes = chance.bytes(300_000);
  const digest = digestOf(bytes);
  const begun = [
    head(`PUT ${await beginPath()}&digest=${digest}`, `Content-Length: ${bytes.length}`),
    head(`POST /v2/${name}/blobs/uploads/?digest=${digest}`, `Content-Length: ${bytes.length}`),
    head(`PUT /v2/${name}/manifests/torn`, `Content-Length: ${bytes.length}`, `Content-Type: ${types.manifest}`),
  ];
  for (const start of begun) {
    const connection = await connect(port);
    await connection.send(start);
    await connection.send(bytes.subarray(0, -1));
    await sleep(20);
    connection.tear();
  }
  await sleep(100);
  await client.expect(404, 'GET', `/v2/${name}/blobs/${digest}`);
  await client.expect(404, 'GET', `/v2/${name}/manifests/torn`);
  assert.deepEqual(await client.tags(name), ['v1']);
});

test('clients that leave right after a request leave nothing that a purge cannot find', async () => {
  for (let round = 0; round < 60; round++) {
    const connection = await connect(port);
    await connection.send(head(`POST /v2/${name}/blobs/uploads/`, 'Content-Length: 0'));
    await sleep(chance.integer(4));
    connection.tear();
  }
});

test('clients that leave in the middle of a download leave no file open', async () => {
  const connections = await Promise.all(Array.from({ length: 40 }, () => connect(port)));
  for (const connection of connections) await connection.send(head(`GET /v2/${name}/blobs/${digestOf(layer)}`));
  await sleep(30);
  for (const connection of connections) connection.tear();
});

test('what is not HTTP is refused and closed', async () => {
  const noise = [
    chance.bytes(5000),
    Buffer.from('16030100a5010000a10303', 'hex'),
    'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
    'hello\r\n\r\n',
    'GET /v2/ HTTP/9.9\r\n\r\n',
    '\0\0\0\0\r\n\r\n',
  ];
  for (const bytes of noise) {
    const connection = await connect(port);
    await connection.send(bytes);
    connection.end();
    await connection.closed();
    for (const status of connection.statuses()) assert.equal(status, 400);
    connection.socket.destroy();
  }
});

test('slow clients hold nobody up', async () => {
  const path = await beginPath();
  const slow = await Promise.all(Array.from({ length: 50 }, () => connect(port)));
  const starts = [
    'GET /v2/ HTTP/1.1\r\nHost: loc',
    head(`PATCH ${path}`, 'Content-Length: 1000'),
    head(`PUT /v2/${name}/manifests/slow`, 'Content-Length: 1000', `Content-Type: ${types.manifest}`),
    head(`POST /v2/${name}/blobs/uploads/?digest=${digestOf(layer)}`, 'Transfer-Encoding: chunked'),
    '',
  ];
  for (const [at, connection] of slow.entries()) await connection.send(starts[at % starts.length] ?? '');
  const began = rounds;
  for (let beat = 0; beat < 10; beat++) {
    for (const connection of slow) await connection.send(beat === 0 ? '' : ' ');
    await sleep(50);
  }
  await eventually(() => assert.ok(rounds >= began + 3, 'the other client gets on'), 20_000);
  for (const connection of slow) connection.tear();
});

test('a head that is too large is answered 431, a long path is only unknown', async () => {
  const large = await exchange(port, head('GET /v2/', `X-Large: ${'x'.repeat(100_000)}`));
  assert.deepEqual(large.statuses, [431]);
  const many = await exchange(
    port,
    head('GET /v2/', ...Array.from({ length: 900 }, (_, at) => `X-${at}: ${'y'.repeat(20)}`)),
  );
  assert.ok([200, 431].includes(many.statuses[0] ?? 0), String(many.statuses));
  for (const length of [300, 3000, 12_000]) {
    const { statuses } = await exchange(port, head(`GET /v2/${'a/'.repeat(length / 2)}manifests/v1`));
    assert.ok(
      statuses.every((status) => status >= 400 && status < 500),
      String(statuses),
    );
  }
  assert.deepEqual((await exchange(port, head(`GET /v2/${'a'.repeat(50_000)}/tags/list`))).statuses, [431]);
});

test('5 GiB announced to a manifest: 413, and the client can read it while it still sends', async () => {
  const connection = await connect(port);
  const announced = [`Content-Length: ${5 * 2 ** 30}`, `Content-Type: ${types.manifest}`];
  await connection.send(head(`PUT /v2/${name}/manifests/huge`, ...announced));
  for (let sent = 0; sent < 8; sent++) await connection.send(Buffer.alloc(1 << 20, ' '));
  assert.deepEqual(await connection.answers(1), [413]);
  assert.match(connection.text(), /"MANIFEST_INVALID"/);
  assert.equal(connection.wasReset(), false);
  connection.socket.destroy();
});

test('a manifest that never ends: 413 after 4 MiB, and then the connection', async () => {
  const connection = await connect(port);
  await connection.send(
    head(`PUT /v2/${name}/manifests/endless`, 'Transfer-Encoding: chunked', `Content-Type: ${types.manifest}`),
  );
  const chunk = Buffer.concat([Buffer.from('10000\r\n'), Buffer.alloc(0x10000, ' '), Buffer.from('\r\n')]);
  for (let sent = 0; sent < 2000 && connection.socket.writable; sent++) await connection.send(chunk);
  await connection.closed();
  assert.equal(connection.statuses()[0], 413);
  connection.socket.destroy();
});

test('broken chunked encoding, lengths that contradict each other, unfinished chunks: 400 or closed', async () => {
  const path = await beginPath();
  const patch = (...lines: string[]): string =>
    head(`PATCH ${path}`, 'Content-Type: application/octet-stream', ...lines);
  const bodies = [
    `${patch('Transfer-Encoding: chunked')}5\r\nhello\r\nnot a length\r\n`,
    `${patch('Transfer-Encoding: chunked')}-5\r\nhello\r\n0\r\n\r\n`,
    `${patch('Transfer-Encoding: chunked')}fffffffffffffffff\r\nhello`,
    `${patch('Content-Length: 5', 'Transfer-Encoding: chunked')}0\r\n\r\n`,
    `${patch('Content-Length: 5', 'Content-Length: 6')}hello!`,
    `${patch('Content-Length: -1')}hello`,
    `${patch('Content-Length: 5x')}hello`,
    `${patch('Transfer-Encoding: gzip, chunked')}0\r\n\r\n`,
    `${patch('Transfer-Encoding: chunked, identity')}0\r\n\r\n`,
  ];
  for (const bytes of bodies) {
    const connection = await connect(port);
    await connection.send(bytes);
    await sleep(10);
    connection.end();
    await connection.closed();
    for (const status of connection.statuses()) assert.ok(status < 500, `${status} for ${bytes.slice(0, 200)}`);
    connection.socket.destroy();
  }
  await client.expect(204, 'GET', path);
  const unfinished = await connect(port);
  await unfinished.send(`${patch('Transfer-Encoding: chunked')}ffff\r\nhalf of it`);
  await sleep(20);
  unfinished.tear();
  const longer = await exchange(
    port,
    `${head(`PUT /v2/${name}/manifests/longer`, 'Content-Length: 2', `Content-Type: ${types.manifest}`)}{}garbage\r\n\r\n`,
    2,
  );
  assert.ok(longer.statuses.length > 0 && longer.statuses.every((status) => status === 400), String(longer.statuses));
});

test('pipelined requests are answered in order, also behind refused bodies', async () => {
  await client.pushImage(name, 'gone', [Buffer.from('layer')]);
  const bytes = Buffer.from(JSON.stringify(imageManifest({ digest: digestOf(layer), size: layer.length }, [])));
  const put = head(
    `PUT /v2/${name}/manifests/piped`,
    `Content-Length: ${bytes.length}`,
    `Content-Type: ${types.manifest}`,
  );
  const refused = `${head(`PUT /v2/${name}/manifests/-`, 'Content-Length: 100000', `Content-Type: ${types.manifest}`)}${' '.repeat(100_000)}`;
  const requests = [
    head('GET /v2/'),
    put + bytes.toString(),
    head(`GET /v2/${name}/manifests/v1`),
    refused,
    head(`GET /v2/${name}/blobs/${digestOf(Buffer.from('?'))}`),
    `${head(`GET /v2/${name}/tags/list`, 'Content-Length: 5')}hello`,
    head(`DELETE /v2/${name}/manifests/gone`),
  ];
  const { statuses } = await exchange(port, requests.join(''), requests.length);
  assert.deepEqual(statuses, [200, 201, 200, 400, 404, 200, 202]);
});

test('HTTP/1.0, a missing Host, Expect and Upgrade', async () => {
  assert.deepEqual((await exchange(port, 'GET /v2/ HTTP/1.0\r\n\r\n')).statuses, [200]);
  const begun = await exchange(port, `POST /v2/${name}/blobs/uploads/ HTTP/1.0\r\nContent-Length: 0\r\n\r\n`);
  assert.deepEqual(begun.statuses, [202]);
  assert.match(begun.text, /\r\nLocation: \/v2\/victim\/blobs\/uploads\//, 'relative where no host is known');
  assert.deepEqual((await exchange(port, 'GET /v2/ HTTP/1.1\r\n\r\n')).statuses, [400]);
  const waiting = await connect(port);
  await waiting.send(head(`PATCH ${await beginPath()}`, 'Expect: 100-continue', 'Content-Length: 5'));
  assert.deepEqual(await waiting.answers(1), [100]);
  await waiting.send('hello');
  assert.deepEqual(await waiting.answers(2), [100, 202]);
  waiting.socket.destroy();
  const odd = await exchange(port, head('GET /v2/', 'Expect: a miracle'));
  assert.deepEqual(odd.statuses, [417]);
  assert.deepEqual(
    (
      await exchange(
        port,
        head('GET /v2/', 'Connection: Upgrade, HTTP2-Settings', 'Upgrade: h2c', 'HTTP2-Settings: AAMAAABk'),
      )
    ).statuses,
    [200],
  );
  for (const method of ['TRACE', 'PURGE', 'CONNECT', 'LINK']) {
    const { statuses } = await exchange(port, head(`${method} /v2/`, 'Connection: close'));
    assert.ok(
      statuses.every((status) => status >= 400 && status < 500),
      `${method}: ${statuses}`,
    );
  }
});

test('no path leads out of the tree', async () => {
  const up = ['../', '..%2f', '%2e%2e/', '%2e%2e%2f', '..%252f', '..\\', '..%5c', '%c0%ae%c0%ae/', '..;/', './', '//'];
  const paths = up.flatMap((step) => [
    `/v2/${step.repeat(8)}etc/passwd`,
    `/v2/${step.repeat(8)}etc/manifests/passwd`,
    `/v2/${name}/manifests/${step.repeat(8)}etc/passwd`,
    `/v2/${name}/blobs/${step.repeat(8)}etc/passwd`,
    `/v2/${name}/blobs/sha256:${step.repeat(8)}etc/passwd`,
    `/v2/${name}/blobs/uploads/${step.repeat(3)}startedat`,
    `/v2/${name}/blobs/uploads/${encodeURIComponent(step)}`,
    `/v2/${name}/referrers/${step}sha256:${'0'.repeat(64)}`,
  ]);
  const odd = [
    ...[
      '/v2/%00/tags/list',
      `/v2/${name}%00/tags/list`,
      `/v2/${name}/manifests/v1%00`,
      `/v2/${name}/manifests/v1%0d%0aX-Evil:%201`,
    ],
    ...[
      '/v2/%/tags/list',
      '/v2/%zz/tags/list',
      '/v2/%ff%fe/tags/list',
      '/v2/_layers/tags/list',
      `/v2/${name}/_manifests/tags/list`,
    ],
    ...[
      '*',
      '/',
      '//',
      '/v2//',
      '/v2/..',
      'http://other.example/v2/',
      `/v2/${'a'.repeat(256)}/tags/list`,
      `/v2/${name}/manifests/${'t'.repeat(129)}`,
    ],
    ...[
      `/v2/${name}/blobs/uploads/.`,
      `/v2/${name}/blobs/uploads/..`,
      `/v2/${name}/blobs/uploads/${'i'.repeat(300)}`,
      `/v2/__proto__/tags/list`,
    ],
  ];
  for (const path of [...paths, ...odd]) {
    for (const method of ['GET', 'PUT', 'DELETE']) {
      const { statuses, text } = await exchange(
        port,
        head(`${method} ${path}`, 'Content-Length: 0', 'Connection: close'),
      );
      const isHarmless = path.startsWith('http:') || path === '*' || path === '/' || path === '//' || path === '/v2//';
      const limit = isHarmless ? 100 : 300;
      assert.ok(
        statuses.every((status) => status >= limit && status < 500),
        `${method} ${path}: ${statuses}`,
      );
      assert.doesNotMatch(text, /root:|\r\nx-evil/i);
    }
  }
});

test('odd queries are answered, not believed', async () => {
  const queries = [
    'n=1e9',
    'n=-1',
    'n=99999999999999999999',
    'n=0x10',
    'n=1&n=2',
    'n[]=1',
    'n',
    'last=%00',
    'last=%ff',
    'last=../..',
    'last=a&last=b',
    `last=${'z'.repeat(5000)}`,
    '__proto__=1',
    'constructor=x&toString=y',
    '%',
    '%zz=1',
    '&&&===',
    'n=1;last=x',
  ];
  for (const query of queries) {
    for (const path of [
      '_catalog',
      `${name}/tags/list`,
      `${name}/referrers/${tag}`,
      `${name}/manifests/v1`,
      `${name}/blobs/${digestOf(layer)}`,
    ]) {
      const { statuses } = await exchange(port, head(`HEAD /v2/${path}?${query}`, 'Connection: close'));
      assert.ok([200, 400, 404].includes(statuses[0] ?? 0), `${path}?${query}: ${statuses}`);
    }
  }
  for (const query of [
    'digest=',
    'digest=md5:x',
    'digest=sha256:x&digest=y',
    'mount=',
    'mount=x&from=../..',
    'mount=%00&from=%00',
    'digest-algorithm=md5',
  ]) {
    const { statuses } = await exchange(port, head(`POST /v2/${name}/blobs/uploads/?${query}`, 'Content-Length: 0'));
    assert.ok([202, 400].includes(statuses[0] ?? 0), `${query}: ${statuses}`);
  }
  const ranges = Array.from({ length: 1500 }, (_, at) => `${at}-${at}`).join(',');
  for (const range of [ranges, '0-,'.repeat(1000), '-0', '5-2', '99999999999999999999-', 'x']) {
    const reply = await client.send('GET', `/v2/${name}/blobs/${digestOf(layer)}`, {
      headers: { range: `bytes=${range}` },
    });
    assert.ok([200, 206, 400, 416].includes(reply.status), `${range.slice(0, 20)}: ${reply.status}`);
    assert.ok(reply.body.length <= 2 * layer.length, `${reply.body.length} bytes for a range`);
  }
});

test('forwarding headers cannot put anything but a host into a Location', async () => {
  const evil = [
    'evil/path',
    'evil"><script>',
    'a b',
    'evil\tx',
    "evil'@host",
    'evil?x',
    'evil#',
    '[::1',
    'x'.repeat(5000),
    '\u00e9vil',
    'user:pass@evil',
    '',
  ];
  for (const host of evil) {
    for (const line of [
      `X-Forwarded-Host: ${host}`,
      `Forwarded: host="${host}";proto=javascript`,
      `X-Forwarded-Proto: javascript:${host}`,
    ]) {
      const { statuses, text } = await exchange(
        port,
        Buffer.from(head(`POST /v2/${name}/blobs/uploads/`, 'Content-Length: 0', line), 'latin1'),
      );
      if (statuses[0] === 400) continue;
      assert.deepEqual(statuses, [202], line);
      assert.match(
        text,
        /\r\nLocation: (https?:\/\/[A-Za-z0-9._:[\]-]+)?\/v2\/victim\/blobs\/uploads\/[0-9a-f-]+\?_state=[A-Za-z0-9_%=-]+\r\n/,
        line,
      );
    }
  }
});

test('a forged or foreign _state moves no upload', async () => {
  const mine = new URL(await client.append(await client.beginUpload(name), Buffer.from('mine')));
  const other = new URL(await client.beginUpload('good'));
  const state = mine.searchParams.get('_state') ?? '';
  const json = Buffer.from(
    JSON.stringify({ Name: name, UUID: mine.pathname.split('/').at(-1), Offset: 4, StartedAt: new Date() }),
  );
  const forged = [
    ...['', 'x', '%00', '=', state.slice(0, -4), `A${state}`, state.replace(/^...../, 'AAAAA')],
    ...[
      other.searchParams.get('_state') ?? '',
      Buffer.concat([Buffer.alloc(32), json]).toString('base64url'),
      json.toString('base64'),
    ],
  ];
  for (const token of forged) {
    const path = `${mine.pathname}?_state=${encodeURIComponent(token)}`;
    for (const method of ['PATCH', 'PUT', 'DELETE'] as const) {
      const target = method === 'PUT' ? `${path}&digest=${digestOf(Buffer.from('mine'))}` : path;
      const reply = await client.send(method, target, { body: Buffer.from('more') });
      assert.equal(reply.status, 404, `${method} with ${token.slice(0, 20)}: ${reply.body}`);
    }
  }
  const stale = await client.beginUpload(name);
  await client.append(stale, Buffer.from('one'));
  await client.expect(416, 'PATCH', stale, { body: Buffer.from('again') });
  await client.finishUpload(mine.href, digestOf(Buffer.from('mine')));
});
