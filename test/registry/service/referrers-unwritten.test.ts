/** Referrers that the index does not tell of, on a store that takes no writes: a GET answers all the same. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Digest } from '../../../registry/oci/digest.ts';
import * as keys from '../../../registry/service/keys.ts';
import { type Store, StoreError } from '../../../registry/storage/store.ts';
import { around, image, memory, name, place, put, replica } from './ground.ts';

/** A subject and referrers whose entries are gone, as if another program had pushed them. */
async function plant(count: number) {
  const store = memory();
  const services = replica(store);
  const config = await place(store, Buffer.from('{}'));
  const { digest: subject } = await put(services, image(config, []), 'v1');
  const referrers: Digest[] = [];
  for (let number = 0; number < count; number++) {
    const descriptor = { mediaType: 'application/vnd.oci.image.manifest.v1+json', digest: subject, size: 1 };
    const { digest } = await put(services, image(config, [], { subject: descriptor, annotations: { n: `${number}` } }));
    referrers.push(digest);
  }
  await store.delete(`${keys.repository(name)}/_referrers`);
  return { store, subject, referrers: referrers.sort() };
}

const full = (store: Store): Store => {
  const refuse = async (path: string): Promise<never> => {
    throw new StoreError('no-space', 'test', path);
  };
  return around(store, { put: refuse, putAll: ([first]) => refuse(first?.path ?? '') });
};

async function listAll(services: ReturnType<typeof replica>, subject: Digest): Promise<readonly Digest[]> {
  const found: Digest[] = [];
  for (let after: string | undefined; ; ) {
    const page = await services.referrers.list(name, subject, { artifactType: undefined, after });
    found.push(...page.descriptors.map(({ digest }) => digest));
    if (page.next === undefined) return found.sort();
    after = page.next;
  }
}

describe('referrers without an entry', () => {
  test('are found on a full store, and written down once there is room', async () => {
    const { store, subject, referrers } = await plant(200);
    const services = replica(full(store));
    assert.deepEqual(await listAll(services, subject), referrers);
    assert.deepEqual(await listAll(services, subject), referrers, 'from memory');
    assert.equal(await store.stat(keys.referrersScanned(name)), undefined);
    assert.deepEqual(await listAll(replica(store), subject), referrers);
    assert.equal((await store.list(keys.referrers(name, subject)))?.entries.length, referrers.length);
  });

  test('are found while nothing may be written, without a try', async () => {
    const { store, subject, referrers } = await plant(100);
    let writes = 0;
    const counted = around(store, {
      async put() {
        writes++;
      },
      async putAll() {
        writes++;
      },
    });
    assert.deepEqual(await listAll(replica(counted, { readOnly: () => true }), subject), referrers);
    assert.equal(writes, 0);
  });

  test('some with, some without: in order, each once', async () => {
    const { store, subject, referrers } = await plant(150);
    await listAll(replica(store), subject);
    for (const digest of referrers.filter((_digest, at) => at % 3 === 0)) {
      await store.delete(keys.referrer(name, subject, digest));
    }
    await store.delete(keys.referrersScanned(name));
    assert.deepEqual(await listAll(replica(full(store)), subject), referrers);
  });

  test('one that was deleted, collected and pushed again by another program is found again', async () => {
    const { store, subject, referrers } = await plant(3);
    const services = replica(store);
    await listAll(services, subject);
    const [digest] = referrers;
    assert.ok(digest);
    await store.delete(keys.revision(name, digest));
    await store.delete(keys.referrer(name, subject, digest));
    assert.deepEqual(await listAll(services, subject), referrers.slice(1));
    await store.put(keys.revisionLink(name, digest), Buffer.from(digest));
    assert.deepEqual(await listAll(services, subject), referrers);
  });
});
