/** Content straight from connections: whole, in order, each reader's own, whatever the other side does. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import http, { type RequestListener } from 'node:http';
import https from 'node:https';
import type { AddressInfo, Server, Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { createDirectClient, type DirectAnswer, type DirectClient } from '../../registry/storage/direct-client.ts';
import type { DirectBody } from '../../registry/storage/direct-connection.ts';
import { parseHead } from '../../registry/storage/direct-head.ts';
import { skip } from '../support/tools.ts';
import { KIB, MIB, patternAt } from './conformance-bytes.ts';

interface Ground {
  readonly client: DirectClient;
  readonly port: number;
  get(path: string, signal?: AbortSignal): Promise<DirectAnswer>;
}

async function ground(t: TestContext, server: Server, { secure = false, silence = 30_000 } = {}): Promise<Ground> {
  const sockets = new Set<Socket>();
  server.on('connection', (socket: Socket) => sockets.add(socket));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const client = createDirectClient({ connect: 5000, silence, skipverify: secure });
  t.after(async () => {
    client.destroy();
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => server.close(resolve));
  });
  const { port } = server.address() as AddressInfo;
  const headers = { host: `127.0.0.1:${port}` };
  const get: Ground['get'] = (path, signal) =>
    client.get({ secure, host: '127.0.0.1', port, path, headers }, { timeout: 5000, signal });
  return { client, port, get };
}

const plain = (t: TestContext, listener: RequestListener, silence?: number): Promise<Ground> =>
  ground(t, http.createServer(listener), { silence });

function bodyOf(answer: DirectAnswer): DirectBody {
  assert.ok('body' in answer);
  return answer.body;
}

/** All bytes, each chunk kept for a while before the next is asked for: as a socket does that is slow. */
function taken(body: DirectBody, pause?: () => Promise<void>): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const all: Buffer[] = [];
    body.flow({
      chunk(bytes, done) {
        const take = (): void => {
          all.push(Buffer.from(bytes));
          done();
        };
        if (pause === undefined) take();
        else void pause().then(take);
      },
      over: (error) => (error === undefined ? resolve(Buffer.concat(all)) : reject(error)),
    });
  });
}

/** `/SEED/SIZE` answers with those bytes. */
const patterns: RequestListener = (request, response) => {
  const [, seed, size] = (request.url ?? '').split('/').map(Number);
  response.setHeader('content-length', size ?? 0);
  response.end(patternAt(0, size ?? 0, seed ?? 0));
};

describe('heads', () => {
  test('content of a known length is taken; all else is for a whole parser', () => {
    const ok = 'HTTP/1.1 200 OK';
    assert.deepEqual(parseHead(`${ok}\r\nContent-Length: 5\r\nETag:"x"\r\nX-A: 1\r\nx-a:\t2 `), {
      status: 200,
      reason: 'OK',
      headers: { 'content-length': '5', etag: '"x"', 'x-a': '1, 2' },
      length: 5,
      persists: true,
    });
    assert.equal(parseHead(`HTTP/1.1 206\r\ncontent-length: 0\r\nConnection: Close`)?.persists, false);
    assert.equal(parseHead(`HTTP/1.0 200 OK\r\ncontent-length: 0`)?.persists, false);
    for (const odd of [
      'HTTP/1.1 404 Not Found\r\nContent-Length: 5',
      'HTTP/1.1 100 Continue\r\nContent-Length: 5',
      'HTTP/2 200\r\nContent-Length: 5',
      ok,
      `${ok}\r\nContent-Length: 5\r\nContent-Length: 5`,
      `${ok}\r\nContent-Length: 5\r\nTransfer-Encoding: chunked`,
      `${ok}\r\nContent-Length: +5`,
      `${ok}\r\nContent-Length : 5`,
      `${ok}\r\nContent-Length: 5\r\n folded`,
      `${ok}\r\nContent-Length: 5\nX: y`,
    ]) {
      assert.equal(parseHead(odd), undefined, odd);
    }
  });
});

describe('bodies', () => {
  test('many at once, slow and fast, small and large: each has its own bytes, and connections are used again', async (t) => {
    let connections = 0;
    const server = http.createServer(patterns).on('connection', () => connections++);
    const { get } = await ground(t, server);
    const sizes = [0, 1, 10 * KIB, 64 * KIB, 300 * KIB, 3 * MIB];
    for (let round = 0; round < 3; round++) {
      await Promise.all(
        // More than there are buffers of full size.
        Array.from({ length: 80 }, async (_, at) => {
          const size = sizes[at % sizes.length] ?? 0;
          const seed = round * 100 + at;
          const pause = at % 3 === 0 ? () => sleep(at % 5) : undefined;
          const bytes = await taken(bodyOf(await get(`/${seed}/${size}`)), pause);
          assert.ok(bytes.equals(patternAt(0, size, seed)), `${size} bytes of ${seed}`);
        }),
      );
    }
    assert.ok(connections < 200, `${connections} connections`);
    connections = 0;
    for (let at = 0; at < 5; at++) await taken(bodyOf(await get(`/${at}/${200 * KIB}`)), () => sleep(1));
    assert.equal(connections, 0);
  });

  test('given up amid a chunk: its memory is not lent to another before it is done', async (t) => {
    const { get } = await plain(t, patterns);
    const size = 2 * MIB;
    const body = bodyOf(await get(`/1/${size}`));
    const held = await new Promise<Buffer>((resolve) => {
      body.flow({ chunk: (bytes, done) => (bytes.length > 16 * KIB ? resolve(bytes) : done()), over() {} });
    });
    const before = Buffer.from(held);
    body.destroy();
    await Promise.all(Array.from({ length: 8 }, async (_, at) => taken(bodyOf(await get(`/${at + 2}/${size}`)))));
    assert.ok(held.equals(before));
  });

  test('one that ends early, falls silent or is too long is an error, behind the last chunk', async (t) => {
    const { get } = await plain(
      t,
      (request, response) => {
        const { socket } = response;
        const length = 100 * KIB;
        socket?.write(`HTTP/1.1 200 OK\r\nContent-Length: ${length}\r\n\r\n`);
        if (request.url === '/long') socket?.write(patternAt(0, length + 8, 1));
        else {
          socket?.write(patternAt(0, length - 8, 1));
          if (request.url === '/early') socket?.end();
        }
      },
      300,
    );
    await assert.rejects(
      taken(bodyOf(await get('/early')), () => sleep(20)),
      { code: 'ECONNRESET' },
    );
    await assert.rejects(taken(bodyOf(await get('/silent'))), { name: 'TimeoutError' });
    await assert.rejects(taken(bodyOf(await get('/long'))), /more bytes came/);
  });

  test('a reader that takes longer than the silence is waited for', async (t) => {
    const { get } = await plain(t, patterns, 300);
    const size = 6 * MIB;
    let slept = false;
    const pause = async (): Promise<void> => {
      if (!slept) await sleep(900);
      slept = true;
    };
    assert.ok((await taken(bodyOf(await get(`/3/${size}`)), pause)).equals(patternAt(0, size, 3)));
  });
});

describe('what is no content', () => {
  test('an error in chunks is read by a whole parser, and the next request goes on', async (t) => {
    const { get } = await plain(t, (request, response) => {
      if (request.url === '/none') {
        response.writeHead(404, { 'x-code': 'NoSuchKey' });
        response.write('<Code>');
        response.end('NoSuchKey</Code>');
      } else patterns(request, response);
    });
    const answer = await get('/none');
    assert.ok('message' in answer);
    assert.equal(answer.message.statusCode, 404);
    assert.equal(answer.message.headers['x-code'], 'NoSuchKey');
    assert.equal(Buffer.concat(await answer.message.toArray()).toString(), '<Code>NoSuchKey</Code>');
    assert.equal((await taken(bodyOf(await get('/1/8')))).length, 8);
  });

  test('a kept connection that was ended as it was taken: asked again on another, at once', async (t) => {
    let connections = 0;
    const server = http.createServer(patterns).on('connection', (socket: Socket) => {
      const mine = connections++;
      let requests = 0;
      socket.prependListener('data', () => {
        if (mine === 0 && requests++ > 0) socket.resetAndDestroy();
      });
    });
    const { get } = await ground(t, server);
    assert.equal((await taken(bodyOf(await get('/1/8')))).length, 8);
    assert.equal((await taken(bodyOf(await get('/1/16')))).length, 16);
    assert.equal(connections, 2);
  });

  test('nobody there, nobody answers, the caller leaves', async (t) => {
    const { get, port, client } = await plain(t, () => {});
    const request = { secure: false, host: '127.0.0.1', port, path: '/', headers: { host: 'x' } };
    await assert.rejects(client.get(request, { timeout: 100, signal: undefined }), { name: 'TimeoutError' });
    await assert.rejects(client.get({ ...request, port: 9 }, { timeout: 1000, signal: undefined }), {
      code: 'ECONNREFUSED',
    });
    await assert.rejects(get('/', AbortSignal.timeout(50)), { name: 'AbortError' });
    await assert.rejects(get('/', AbortSignal.abort(new Error('left'))), /left/);
    const lines = { ...request, headers: { a: 'b\r\nc: d' } };
    await assert.rejects(client.get(lines, { timeout: 100, signal: undefined }), /more than one line/);
  });
});

test('over TLS the same, and a certificate that nobody signed is refused', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'berth-direct-'));
  t.after(() => rm(folder, { recursive: true }));
  const [key, cert] = [join(folder, 'key'), join(folder, 'cert')];
  const subject = ['-subj', '/CN=127.0.0.1', '-addext', 'subjectAltName=IP:127.0.0.1'];
  const make = [
    'req',
    '-x509',
    '-newkey',
    'rsa:2048',
    '-nodes',
    '-days',
    '2',
    ...subject,
    '-keyout',
    key,
    '-out',
    cert,
  ];
  const failed = await promisify(execFile)('openssl', make).then(
    () => undefined,
    (error: Error) => error,
  );
  if (failed !== undefined) return skip(t, `openssl is needed: ${failed.message}`);
  const server = https.createServer({ key: await readFile(key), cert: await readFile(cert) }, patterns);
  const { get, port } = await ground(t, server, { secure: true });
  for (let at = 0; at < 3; at++) {
    const bytes = await taken(bodyOf(await get(`/${at}/${3 * MIB}`)), at === 1 ? () => sleep(1) : undefined);
    assert.ok(bytes.equals(patternAt(0, 3 * MIB, at)));
  }
  const strict = createDirectClient({ connect: 5000, silence: 300, skipverify: false });
  t.after(() => strict.destroy());
  const request = { secure: true, host: '127.0.0.1', port, path: '/1/8', headers: { host: 'x' } };
  await assert.rejects(strict.get(request, { timeout: 5000, signal: undefined }), {
    code: 'DEPTH_ZERO_SELF_SIGNED_CERT',
  });
});
