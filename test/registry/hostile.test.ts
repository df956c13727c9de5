/** Connections that break off, dawdle, lie about lengths or speak no HTTP: no other client is harmed. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { eventually } from '../support/eventually.ts';
import { digestOf, imageManifest, type PushClient, types } from '../support/push-client.ts';
import { createChance } from '../support/push-client-random.ts';
import { connect, exchange, head } from '../support/torn.ts';
import { layer, name, victim } from './hostile-victim.ts';

const attacked = victim();
const chance = createChance('hostile connections');

async function beginPath(client: PushClient): Promise<string> {
  const { pathname, search } = new URL(await client.beginUpload(name));
  return pathname + search;
}

test('a client that breaks off in a PATCH can go on where the registry says', async () => {
  const { port, client } = attacked();
  const path = await beginPath(client);
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
  const { port, client } = attacked();
  const bytes = chance.bytes(300_000);
  const digest = digestOf(bytes);
  const begun = [
    head(`PUT ${await beginPath(client)}&digest=${digest}`, `Content-Length: ${bytes.length}`),
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
  const { port } = attacked();
  for (let round = 0; round < 60; round++) {
    const connection = await connect(port);
    await connection.send(head(`POST /v2/${name}/blobs/uploads/`, 'Content-Length: 0'));
    await sleep(chance.integer(4));
    connection.tear();
  }
});

test('clients that leave in the middle of a download leave no file open', async () => {
  const { port } = attacked();
  const connections = await Promise.all(Array.from({ length: 40 }, () => connect(port)));
  for (const connection of connections) await connection.send(head(`GET /v2/${name}/blobs/${digestOf(layer)}`));
  await sleep(30);
  for (const connection of connections) connection.tear();
});

test('what is not HTTP is refused and closed', async () => {
  const { port } = attacked();
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
  const { port, client } = attacked();
  const path = await beginPath(client);
  const slow = await Promise.all(Array.from({ length: 50 }, () => connect(port)));
  const starts = [
    'GET /v2/ HTTP/1.1\r\nHost: loc',
    head(`PATCH ${path}`, 'Content-Length: 1000'),
    head(`PUT /v2/${name}/manifests/slow`, 'Content-Length: 1000', `Content-Type: ${types.manifest}`),
    head(`POST /v2/${name}/blobs/uploads/?digest=${digestOf(layer)}`, 'Transfer-Encoding: chunked'),
    '',
  ];
  for (const [at, connection] of slow.entries()) await connection.send(starts[at % starts.length] ?? '');
  const began = attacked().rounds;
  for (let beat = 0; beat < 10; beat++) {
    for (const connection of slow) await connection.send(beat === 0 ? '' : ' ');
    await sleep(50);
  }
  await eventually(() => assert.ok(attacked().rounds >= began + 3, 'the other client gets on'), 20_000);
  for (const connection of slow) connection.tear();
});

test('a head that is too large is answered 431, a long path is only unknown', async () => {
  const { port } = attacked();
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
  const { port } = attacked();
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
  const { port } = attacked();
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
  const { port, client } = attacked();
  const path = await beginPath(client);
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
  const { port, client } = attacked();
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
