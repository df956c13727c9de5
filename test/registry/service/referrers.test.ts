/** The search for referrers that other programs pushed: shared, bounded, and not begun again from the start. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Digest, digestBytes } from '../../../registry/oci/digest.ts';
import { RegistryError } from '../../../registry/oci/error.ts';
import * as keys from '../../../registry/service/keys.ts';
import { link } from '../../../registry/service/links.ts';
import type { Services, ServicesDependencies } from '../../../registry/service/services.ts';
import type { Put, Store } from '../../../registry/storage/store.ts';
import { eventually } from '../../support/eventually.ts';
import { around, image, memory, name, place, put, replica } from './ground.ts';

const request = { artifactType: undefined, after: undefined };

/** Manifests with a subject as another program would have pushed them: without any entry of ours. */
async function plant(store: Store, subject: object, count: number): Promise<readonly Digest[]> {
  const config = await place(store, Buffer.from('{}'));
  const digests: Digest[] = [];
  const puts: Put[] = [];
  for (let at = 0; at < count; at++) {
    const bytes = Buffer.from(JSON.stringify(image(config, [], { subject, annotations: { at: String(at) } })));
    const digest = digestBytes('sha256', bytes);
    puts.push({ path: keys.blobData(digest), content: bytes }, link(keys.revisionLink(name, digest), digest));
    digests.push(digest);
  }
  await store.putAll(puts);
  return digests.sort();
}

/** Counts reads of what lies below revisions, and may hold them. */
function watched(store: Store) {
  const state = { reads: 0, gate: Promise.resolve() };
  const counting = around(store, {
    async read(path, options) {
      if (path.includes('/revisions/')) {
        state.reads++;
        await state.gate;
      }
      return store.read(path, options);
    },
  });
  return { counting, state };
}

async function subjectIn(store: Store) {
  const config = await place(store, Buffer.from('{}'));
  const { digest } = await put(replica(store), image(config, []), 'subject');
  return { digest, descriptor: { mediaType: 'application/vnd.oci.image.manifest.v1+json', digest, size: 1 } };
}

async function all(services: Services, subject: Digest): Promise<readonly Digest[]> {
  const { descriptors, next } = await services.referrers.list(name, subject, request);
  assert.equal(next, undefined);
  return descriptors.map(({ digest }) => digest).sort();
}

const times = (patience: number, retry = 1e9): Partial<ServicesDependencies> => ({ scanTimes: { patience, retry } });

test('many who ask at once share one search', async () => {
  const store = memory();
  const { digest, descriptor } = await subjectIn(store);
  const planted = await plant(store, descriptor, 300);
  const { counting, state } = watched(store);
  const services = replica(counting);
  const answers = await Promise.all(Array.from({ length: 10 }, () => all(services, digest)));
  for (const answer of answers) assert.deepEqual(answer, planted);
  // Each answer looks at the links of what it names; the search adds each revision once.
  assert.ok(state.reads <= 10 * 300 + 2 * 301, `${state.reads} reads`);
  state.reads = 0;
  assert.deepEqual(await all(services, digest), planted);
  assert.ok(state.reads <= 301, `${state.reads} reads`);
});

test('a search that takes too long is UNAVAILABLE rather than an answer that lacks some, and goes on at the next request', async () => {
  const store = memory();
  const { digest, descriptor } = await subjectIn(store);
  const planted = await plant(store, descriptor, 2000);
  const { counting, state } = watched(store);
  const gate = Promise.withResolvers<void>();
  state.gate = gate.promise;
  const services = replica(counting, times(50));
  const refused = (error: unknown) => error instanceof RegistryError && error.code === 'UNAVAILABLE';
  await assert.rejects(services.referrers.list(name, digest, request), refused);
  gate.resolve();
  // Nobody waits any more, so it stops after what it had begun.
  let before = -1;
  await eventually(() => {
    const seen = before;
    before = state.reads;
    assert.equal(state.reads, seen);
  });
  assert.ok(state.reads < 2000, `${state.reads} reads for nobody`);
  const patient = async (): Promise<readonly Digest[]> => {
    try {
      return await all(services, digest);
    } catch (error) {
      if (!refused(error)) throw error;
      return patient();
    }
  };
  assert.deepEqual(await patient(), planted);
});

test('a client that leaves ends neither the search nor the others', async () => {
  const store = memory();
  const { digest, descriptor } = await subjectIn(store);
  const planted = await plant(store, descriptor, 500);
  const { counting, state } = watched(store);
  const gate = Promise.withResolvers<void>();
  state.gate = gate.promise;
  const services = replica(counting);
  const leaving = new AbortController();
  const first = services.referrers.list(name, digest, { ...request, signal: leaving.signal });
  const second = all(services, digest);
  leaving.abort();
  await assert.rejects(first);
  gate.resolve();
  assert.deepEqual(await second, planted);
});

test('revisions without link or bytes are not read again each time, only after a while', async () => {
  const store = memory();
  const { digest, descriptor } = await subjectIn(store);
  const planted = await plant(store, descriptor, 100);
  const lost = planted.slice(0, 50);
  const unlinked = planted.slice(50, 90);
  for (const one of lost) await store.delete(keys.blobData(one));
  for (const one of unlinked) {
    await store.delete(keys.revisionLink(name, one));
    // What Distribution leaves of a manifest that it deleted.
    await store.put(`${keys.revision(name, one)}/left`, Buffer.from(''));
  }
  const { counting, state } = watched(store);
  let now = 0;
  const services = replica(counting, { ...times(60_000, 1000), clock: () => now });
  assert.deepEqual(await all(services, digest), planted.slice(90));
  state.reads = 0;
  for (let turn = 0; turn < 5; turn++) assert.deepEqual(await all(services, digest), planted.slice(90));
  assert.ok(state.reads <= 5 * 11, `${state.reads} reads`);

  // Another program pushes one of them again: its folder was there all the time.
  const back = unlinked[0] as Digest;
  await store.putAll([link(keys.revisionLink(name, back), back)]);
  now += 2000;
  assert.deepEqual(await all(services, digest), [back, ...planted.slice(90)].sort());
});

test('what another program pushes while nothing is searched for is found at once', async () => {
  const store = memory();
  const { digest, descriptor } = await subjectIn(store);
  const services = replica(store);
  assert.deepEqual(await all(services, digest), []);
  const planted = await plant(store, descriptor, 3);
  assert.deepEqual(await all(services, digest), planted);
});
