import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { createMemoryDescriptors, mostEntries } from '../../../registry/cache/memory.ts';
import { RegistryError } from '../../../registry/oci/error.ts';
import type { RepositoryName } from '../../../registry/oci/name.ts';
import type { Blob } from '../../../registry/service/blobs.ts';
import { type Descriptors, noDescriptors, revalidateAfter } from '../../../registry/service/descriptors.ts';
import * as keys from '../../../registry/service/keys.ts';
import type { Services } from '../../../registry/service/services.ts';
import type { Store } from '../../../registry/storage/store.ts';
import { around, image, memory, name, place, put, replica } from './ground.ts';

/** What a remembered descriptor may answer and what never, whatever lies behind it. */

interface Rig {
  readonly store: Store;
  readonly services: Services;
  readonly descriptors: Descriptors;
  readonly counts: { requests: number; hits: number };
  /** Looks at the bytes of blobs in the store so far. */
  readonly looks: () => number;
  readonly wait: (milliseconds: number) => void;
}

function rig(size = 100): Rig {
  const inner = memory();
  let looks = 0;
  let now = 0;
  const counts = { requests: 0, hits: 0 };
  const store = around(inner, {
    stat(path, options) {
      if (path.endsWith('/data')) looks++;
      return inner.stat(path, options);
    },
  });
  const metrics = { requested: () => void counts.requests++, hit: () => void counts.hits++ };
  const descriptors = createMemoryDescriptors({ size, metrics, clock: () => now });
  const wait = (milliseconds: number): void => {
    now += milliseconds;
  };
  return { store, services: replica(store, { descriptors }), descriptors, counts, looks: () => looks, wait };
}

const isUnknown = (error: unknown): boolean => error instanceof RegistryError && error.code === 'MANIFEST_BLOB_UNKNOWN';

describe('a descriptor that is remembered', () => {
  test('saves the look at the bytes, for a while', async () => {
    const { store, services, counts, looks, wait } = rig();
    const { digest, size } = await place(store, Buffer.from('a layer'));
    for (let count = 0; count < 5; count++) {
      assert.deepEqual(await services.blobs.stat(name, digest, {}), { digest, stored: digest, size });
    }
    assert.equal(looks(), 1);
    assert.deepEqual(counts, { requests: 5, hits: 4 });
    wait(revalidateAfter);
    await services.blobs.stat(name, digest, {});
    assert.equal(looks(), 2);
  });

  test('answers for no other repository, and not after the link is gone, whoever removed it', async () => {
    const { store, services } = rig();
    const { digest } = await place(store, Buffer.from('a layer'));
    assert.ok(await services.blobs.stat(name, digest, {}));
    assert.equal(await services.blobs.stat('library/other' as RepositoryName, digest, {}), undefined);
    const elsewhere = replica(store);
    assert.equal(await elsewhere.blobs.remove(name, digest, {}), true);
    assert.equal(await services.blobs.stat(name, digest, {}), undefined);
  });

  test('is forgotten when the bytes turn out to be gone: GET is 404, and HEAD from then on', async () => {
    const { store, services, looks } = rig();
    const { digest } = await place(store, Buffer.from('a layer'));
    const blob = await services.blobs.stat(name, digest, {});
    await store.delete(keys.blobData(digest));
    assert.equal(await services.blobs.open(name, blob as Blob, { start: 0 }, {}), undefined);
    assert.equal(await services.blobs.stat(name, digest, {}), undefined);
    assert.equal(looks(), 2);
  });

  test('outlives bytes that another program collected by no more than its age', async () => {
    const { store, services, wait } = rig();
    const { digest } = await place(store, Buffer.from('a layer'));
    await services.blobs.stat(name, digest, {});
    await store.delete(keys.blobData(digest));
    wait(revalidateAfter - 1);
    assert.ok(await services.blobs.stat(name, digest, {}));
    wait(1);
    assert.equal(await services.blobs.stat(name, digest, {}), undefined);
  });

  test('lets no manifest and no mount pass whose bytes are gone, and then is gone itself, so that they are pushed', async () => {
    const { store, services } = rig();
    const config = await place(store, Buffer.from('{}'));
    const layer = await place(store, Buffer.from('a layer'));
    const { digest } = layer;
    assert.ok(await services.blobs.stat(name, digest, {}));
    await store.delete(keys.blobData(digest));
    assert.ok(await services.blobs.stat(name, digest, {}), 'the HEAD by which a client decides what to push');
    await assert.rejects(put(services, image(config, [{ mediaType: 'a/layer', ...layer }]), 'latest'), isUnknown);
    assert.equal(await services.blobs.stat(name, digest, {}), undefined, 'the HEAD of the next attempt');

    await place(store, Buffer.from('a layer'));
    assert.ok(await services.blobs.stat(name, digest, {}));
    await store.delete(keys.blobData(digest));
    assert.equal(await services.blobs.mount('library/other' as RepositoryName, digest, name, {}), undefined);
    assert.equal(await services.blobs.stat(name, digest, {}), undefined);
  });

  test('comes with a push, and with a mount', async () => {
    const { store, services, looks } = rig();
    const other = 'library/other' as RepositoryName;
    const { digest } = await place(store, Buffer.from('a layer'));
    assert.ok(await services.blobs.mount(other, digest, name, {}));
    assert.equal(looks(), 1);
    assert.ok(await services.blobs.stat(other, digest, {}));
    assert.equal(looks(), 1);

    const bytes = Buffer.from('another layer');
    const { digest: pushed } = await place(memory(), bytes);
    const { id } = await services.uploads.begin(name, undefined, {});
    const piece = { expectedOffsets: [], expectedLength: undefined, source: arriving(bytes) };
    await services.uploads.finish(name, id, pushed, piece, {});
    const before = looks();
    assert.equal((await services.blobs.stat(name, pushed, {}))?.size, bytes.length);
    assert.equal(looks(), before);
  });

  test('is one of a bounded number, also where the file says "unlimited"', async () => {
    const { store, services, looks } = rig(2);
    const digests = [];
    for (const text of ['one', 'two', 'three']) digests.push((await place(store, Buffer.from(text))).digest);
    for (const digest of digests) await services.blobs.stat(name, digest, {});
    const [first] = digests;
    assert.ok(first);
    await services.blobs.stat(name, first, {});
    assert.equal(looks(), 4);
    assert.ok(mostEntries < 1_000_000);
    const unlimited = rig(Number.POSITIVE_INFINITY);
    assert.equal(await unlimited.descriptors.find(first, {}), undefined);
  });
});

test('what is deleted is cleared before and after, also when deleting fails', async () => {
  const events: string[] = [];
  const inner = memory();
  const { digest } = await place(inner, Buffer.from('a layer'));
  const config = await place(inner, Buffer.from('{}'));
  let isBroken = true;
  const store = around(inner, {
    async delete(path, options) {
      events.push('delete');
      if (isBroken) throw new Error('the store is broken');
      return inner.delete(path, options);
    },
  });
  const descriptors: Descriptors = {
    ...noDescriptors,
    async clear(forgotten) {
      events.push(...forgotten.map((one) => `clear ${one.name}`));
      return true;
    },
  };
  const services = replica(store, { descriptors });
  const around3 = [`clear ${name}`, 'delete', `clear ${name}`];
  await assert.rejects(services.blobs.remove(name, digest, {}), /broken/);
  assert.deepEqual(events.splice(0), around3);
  isBroken = false;
  assert.equal(await services.blobs.remove(name, digest, {}), true);
  assert.deepEqual(events.splice(0), around3);
  const pushed = await put(services, image(config, []));
  events.length = 0;
  assert.equal(await services.manifests.remove(name, { digest: pushed.digest }, {}), true);
  assert.deepEqual(
    events.filter((event) => event.startsWith('clear')),
    [`clear ${name}`, `clear ${name}`],
  );
});

async function* arriving(bytes: Buffer): AsyncGenerator<Buffer> {
  yield bytes;
}
