/**
 * Resumable uploads against a service that keeps its word about offsets: the emulator appends whatever comes, and cannot be
 * asked how much it has (Google's documentation, "Perform resumable uploads").
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Answer, Call, Calls } from '../../registry/storage/gcs-calls.ts';
import { createResumable } from '../../registry/storage/gcs-resumable.ts';
import { GRAIN } from '../../registry/storage/parts.ts';
import { StoreError } from '../../registry/storage/store.ts';
import { patternAt } from './conformance-bytes.ts';

interface Service {
  readonly calls: Calls;
  /** What it has so far. */
  readonly stored: () => Buffer;
  readonly object: () => Buffer | undefined;
  readonly ranges: string[];
  readonly methods: string[];
}

type Mood = 'well' | 'lost' | 'refused' | 'half';

/** `mood`: for each request that carries bytes; `half` keeps a part, a multiple of 256 KiB. */
function serviceIn(mood: (count: number) => Mood): Service {
  let stored: Buffer = Buffer.alloc(0);
  let object: Buffer | undefined;
  let count = 0;
  const ranges: string[] = [];
  const methods: string[] = [];
  const answer = (status: number): Answer => {
    const headers: Record<string, string> = stored.length > 0 ? { range: `bytes=0-${stored.length - 1}` } : {};
    return { status, headers: status === 308 ? headers : {}, tries: 1, text: '' };
  };
  async function run(call: Call): Promise<Answer> {
    methods.push(call.method ?? '');
    if (call.method === 'DELETE') return answer(499);
    const range = call.headers?.['content-range'] ?? '';
    ranges.push(range);
    const [, first, total] = /^bytes (?:(\d+)-\d+|\*)\/(\d+|\*)$/.exec(range) ?? [];
    const bytes = call.body as Buffer;
    const now = first === undefined ? 'well' : mood(count++);
    if (now === 'refused') throw new StoreError('failed', 'gcs', call.path);
    if (first !== undefined) {
      assert.equal(Number(first), stored.length, 'bytes begin where the service is');
      if (total === '*') assert.equal(bytes.length % GRAIN, 0, 'only the last bytes may be uneven');
      stored = Buffer.concat([stored, now === 'half' ? bytes.subarray(0, GRAIN) : bytes]);
    }
    if (object === undefined && total !== '*' && stored.length === Number(total)) object = stored;
    if (now === 'lost') throw new StoreError('failed', 'gcs', call.path);
    return answer(object === undefined ? 308 : 200);
  }
  const stream = (): Promise<never> => Promise.reject(new Error('nothing is streamed'));
  return { calls: { run, stream }, stored: () => stored, object: () => object, ranges, methods };
}

async function upload(service: Service, sizes: readonly number[]): Promise<Buffer> {
  const resumable = createResumable(service.calls, '/object', async () => 'https://service/upload');
  const total = sizes.reduce((sum, size) => sum + size, 0);
  const bytes = patternAt(0, total, 3);
  let at = 0;
  for (const size of sizes) {
    await resumable.send(bytes.subarray(at, at + size), AbortSignal.timeout(20_000));
    at += size;
  }
  assert.equal(service.object(), undefined, 'nothing is to be seen before the end');
  await resumable.finish(AbortSignal.timeout(20_000));
  return bytes;
}

const sizes = [4 * GRAIN, 4 * GRAIN, GRAIN + 1000];

test('chunks follow each other, and the last one names the total', async () => {
  const service = serviceIn(() => 'well');
  const bytes = await upload(service, sizes);
  assert.ok(service.object()?.equals(bytes));
  assert.equal(service.ranges.at(-1), `bytes ${9 * GRAIN}-${9 * GRAIN + 999}/${9 * GRAIN + 1000}`);
});

test('a total that is even is ended without bytes', async () => {
  const service = serviceIn(() => 'well');
  const bytes = await upload(service, [2 * GRAIN, GRAIN]);
  assert.ok(service.object()?.equals(bytes));
  assert.equal(service.ranges.at(-1), `bytes */${3 * GRAIN}`);
});

for (const mood of ['lost', 'refused', 'half'] as const) {
  test(`every other chunk ${mood}: the service is asked what it has, and the rest is sent`, async () => {
    const service = serviceIn((count) => (count % 2 === 0 ? mood : 'well'));
    const bytes = await upload(service, sizes);
    assert.ok(service.object()?.equals(bytes));
  });
}

test('a service that takes nothing ends with an error after a bounded number of tries', async () => {
  const service = serviceIn(() => 'refused');
  await assert.rejects(upload(service, sizes), (error) => error instanceof StoreError);
  assert.ok(service.ranges.length < 20, `${service.ranges.length} requests`);
});

test('an upload that is given up is deleted at the service, once', async () => {
  const service = serviceIn(() => 'well');
  const resumable = createResumable(service.calls, '/object', async () => 'https://service/upload');
  await resumable.cancel();
  await resumable.send(patternAt(0, GRAIN, 1), AbortSignal.timeout(20_000));
  await resumable.cancel();
  await resumable.cancel();
  assert.deepEqual(service.methods, ['PUT', 'DELETE']);
  assert.equal(service.object(), undefined);
});
