/** Cutting an upload into parts: no byte is lost between the buffers, whatever is recalled or refused meanwhile. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { PartMemory } from '../../registry/storage/s3-memory.ts';
import { createSender, type SenderOptions } from '../../registry/storage/s3-sender.ts';
import type { Piece } from '../../registry/storage/s3-session.ts';

const CHUNK = 1024 * 1024;

/** Memory whose buffers the test asks for back, as it does when other uploads wait. */
function memory(): PartMemory & { recall(): void } {
  const lent = new Set<() => void>();
  return {
    async lend(giveUp) {
      lent.add(giveUp);
      return { bytes: Buffer.alloc(CHUNK), seal: () => void lent.delete(giveUp), end: () => void lent.delete(giveUp) };
    },
    recall() {
      for (const giveUp of [...lent]) {
        lent.delete(giveUp);
        giveUp();
      }
    },
  };
}

function sender(over: Partial<SenderOptions> & Pick<SenderOptions, 'memory'>) {
  return createSender({
    chunk: CHUNK,
    tail: [],
    signal: undefined,
    number: async () => 1,
    send: async (number) => ({ number, etag: 'x' }),
    fill: async () => {},
    store: async (bytes) => ({ key: 'piece', size: bytes.length }),
    ...over,
  });
}

describe('what is left behind the last part', () => {
  test('a buffer recalled while an earlier one is still being put aside: every byte is there', async () => {
    const lent = memory();
    const puts: PromiseWithResolvers<void>[] = [];
    const stored: Buffer[] = [];
    const store = async (bytes: Buffer): Promise<Piece> => {
      const put = Promise.withResolvers<void>();
      puts.push(put);
      await put.promise;
      stored.push(Buffer.from(bytes));
      return { key: `piece${puts.length}`, size: bytes.length };
    };
    const parts = sender({ memory: lent, store });
    await parts.add(Buffer.alloc(100_000, 1));
    lent.recall();
    await parts.add(Buffer.alloc(100_000, 2));
    const rest = parts.rest();
    lent.recall();
    for (const put of puts) put.resolve();
    const { tail, bytes } = await rest;
    assert.deepEqual(
      tail.map(({ size }) => size),
      [100_000],
    );
    assert.ok(bytes.equals(Buffer.alloc(100_000, 2)));
    assert.deepEqual(stored, [Buffer.alloc(100_000, 1)]);
    await parts.close();
  });

  test('a part that gets no number: nobody takes the rest for whole', async () => {
    const refused = new Error('no multipart upload today');
    const tail: Piece[] = [{ key: 'before', size: 200_000 }];
    const parts = sender({ memory: memory(), tail, number: () => Promise.reject(refused) });
    await assert.rejects(parts.add(Buffer.alloc(2 * CHUNK, 1)), refused);
    await assert.rejects(parts.settle(), refused);
    await parts.close();
  });
});
