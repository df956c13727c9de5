/** Sending an object through memory that is used again: over real sockets, beside others, and when it goes wrong. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { truncate } from 'node:fs/promises';
import http from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { createBufferPool } from '../../registry/storage/buffers.ts';
import type { SendableStream } from '../../registry/storage/filesystem-send.ts';
import type { ByteRange, Store } from '../../registry/storage/store.ts';
import { MIB, pattern, patternAt, pushTo } from './conformance-bytes.ts';
import { storeAt, temporaryFolder } from './filesystem-ground.ts';

const SIZE = 5 * MIB + 24;

interface Served {
  readonly port: number;
  /** What `sendTo` came to, one for each request. */
  readonly outcomes: Promise<unknown>[];
}

/** Serves `/SEED?start=&end=` by `sendTo`. */
async function serve(t: TestContext, store: Store, prepare: () => Promise<void> = async () => {}): Promise<Served> {
  const outcomes: Promise<unknown>[] = [];
  const server = http.createServer((request, response) => {
    const url = new URL(request.url ?? '', 'http://host');
    const number = (name: string) => Number(url.searchParams.get(name));
    outcomes.push(
      send(store, url.pathname, { start: number('start'), end: number('end') }, response, prepare).then(
        () => undefined,
        (error: unknown) => error,
      ),
    );
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return { port: (server.address() as AddressInfo).port, outcomes };
}

async function send(
  store: Store,
  path: string,
  range: ByteRange,
  response: http.ServerResponse,
  prepare: () => Promise<void>,
): Promise<void> {
  const stream = await store.open(path, range);
  assert.ok(stream !== undefined && 'sendTo' in stream);
  await prepare();
  await (stream as SendableStream).sendTo(response);
}

async function get(port: number, path: string): Promise<Buffer> {
  const [response] = (await once(http.get({ port, path, host: '127.0.0.1' }), 'response')) as [http.IncomingMessage];
  return Buffer.concat(await response.toArray());
}

test('many at once, each gets its own bytes, whole and in windows', async (t) => {
  const store = storeAt(t, await temporaryFolder(t));
  const seeds = [1, 2, 3, 4, 5, 6];
  for (const seed of seeds) await pushTo(store, `/${seed}`, pattern(SIZE, seed));
  const { port, outcomes } = await serve(t, store);
  const windows = [
    [0, SIZE],
    [8, SIZE],
    [MIB - 8, 3 * MIB],
    [SIZE - 8, SIZE + 100],
    [0, 0],
  ] as const;
  await Promise.all(
    seeds.flatMap((seed) =>
      windows.map(async ([start, end]) => {
        const bytes = await get(port, `/${seed}?start=${start}&end=${end}`);
        assert.ok(bytes.equals(patternAt(0, SIZE, seed).subarray(start, end)), `${seed} from ${start} to ${end}`);
      }),
    ),
  );
  assert.deepEqual(await Promise.all(outcomes), Array(seeds.length * windows.length).fill(undefined));
});

test('a client that leaves ends the sending, and harms no other', async (t) => {
  const store = storeAt(t, await temporaryFolder(t));
  await pushTo(store, '/1', pattern(64 * MIB, 1));
  const { port, outcomes } = await serve(t, store);
  const leaving = connect(port, '127.0.0.1').on('error', () => {});
  leaving.write(`GET /1?start=0&end=${64 * MIB} HTTP/1.1\r\nhost: x\r\n\r\n`);
  await once(leaving, 'data');
  leaving.pause();
  const other = get(port, `/1?start=0&end=${SIZE}`);
  leaving.destroy();
  const error = await outcomes[0];
  assert.ok(error instanceof Error && 'code' in error, String(error));
  assert.ok((await other).equals(patternAt(0, SIZE, 1)));
  assert.ok((await get(port, `/1?start=0&end=${SIZE}`)).equals(patternAt(0, SIZE, 1)));
});

test('a file that becomes shorter tears the answer instead of ending it as if it were whole', async (t) => {
  const root = await temporaryFolder(t);
  const store = storeAt(t, root);
  await pushTo(store, '/1', pattern(SIZE, 1));
  const { port, outcomes } = await serve(t, store, () => truncate(join(root, '1'), MIB));
  await assert.rejects(get(port, `/1?start=0&end=${SIZE}`), /aborted|hang up|reset/);
  assert.match(String(await outcomes[0]), /StoreError: filesystem: failed: \/1: it became \d+ bytes shorter/);
});

test('a signal ends the sending', async (t) => {
  const store = storeAt(t, await temporaryFolder(t));
  await pushTo(store, '/1', pattern(64 * MIB, 1));
  const client = new AbortController();
  const stream = (await store.open('/1', undefined, { signal: client.signal })) as SendableStream;
  const server = http.createServer((_, response) => void sent.resolve(stream.sendTo(response)));
  const sent = Promise.withResolvers<void>();
  t.after(() => server.close());
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const request = http.get({ port: (server.address() as AddressInfo).port, host: '127.0.0.1' });
  request.on('error', () => {});
  const [response] = (await once(request, 'response')) as [http.IncomingMessage];
  response.on('error', () => {});
  client.abort(new Error('deadline'));
  await assert.rejects(sent.promise, /abort|deadline/i);
});

test('buffers are lent again only when handed back clean, and late comers get small ones', () => {
  const lend = createBufferPool({ bytes: 1024, lent: 2 });
  const [first, second, third] = [lend(), lend(), lend()];
  assert.deepEqual(
    [first, second, third].map(({ buffer }) => buffer.length),
    [1024, 1024, 64],
  );
  third.end(true);
  second.end(false);
  first.end(true);
  const again = [lend(), lend()];
  assert.equal(again[0]?.buffer, first.buffer);
  assert.notEqual(again[1]?.buffer, second.buffer);
  assert.equal(again[1]?.buffer.length, 1024);
});
