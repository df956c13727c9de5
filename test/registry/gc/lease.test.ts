/** Leases in a store: one holder at a time, a dead one replaced, whatever the clocks say. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { createLeases, type Lease, type Leases } from '../../../registry/gc/lease.ts';
import { isDeadHere, leaseHolder } from '../../../registry/holder.ts';
import * as keys from '../../../registry/service/keys.ts';
import { createMemoryStore } from '../../../registry/storage/memory.ts';
import { type Store, StoreError } from '../../../registry/storage/store.ts';

const ttl = 300;
const name = 'work';

/** One process; its clock may run apart from the others'. */
function contender(store: Store, holder: string, clock = () => performance.now()): Leases {
  return createLeases({ store, holder, newId: () => crypto.randomUUID(), clock, ttl });
}

const held = (found: Lease | { readonly holder: string }): Lease => {
  assert.ok(!('holder' in found), `held by ${'holder' in found ? found.holder : ''}`);
  return found;
};

/** The process dies: its lease is never renewed again. */
function dying(store: Store): { readonly store: Store; die(): void } {
  let dead = false;
  return {
    store: {
      ...store,
      swap: (path, expected, content, options) =>
        dead ? new Promise(() => undefined) : store.swap(path, expected, content, options),
    },
    die() {
      dead = true;
    },
  };
}

describe('a lease', () => {
  test('has one holder of many that want it at once; the next gets what the one before left', async () => {
    const store = createMemoryStore();
    const found = await Promise.all(
      Array.from({ length: 20 }, (_, number) => contender(store, `p${number}`).take(name, 0, {})),
    );
    const winners = found.filter((one): one is Lease => !('holder' in one));
    assert.equal(winners.length, 1);
    await winners[0]?.release('done at noon');
    const next = held(await contender(store, 'next').take(name, 0, {}));
    assert.equal(next.note, 'done at noon');
    assert.ok(next.lost.aborted === false && winners[0]?.lost.aborted === true);
    await next.release();
  });

  test('is renewed as long as its holder lives: nobody else gets it, and is soon told so', async () => {
    const store = createMemoryStore();
    const lease = held(await contender(store, 'one').take(name, 0, {}));
    const waited: string[] = [];
    for (let round = 0; round < 4; round++) {
      const found = await contender(store, 'two').take(name, 60_000, { onWait: (holder) => waited.push(holder) });
      assert.deepEqual('holder' in found && found.holder, 'one');
    }
    assert.deepEqual(waited, ['one', 'one', 'one', 'one']);
    assert.equal(lease.lost.aborted, false);
    await lease.release();
  });

  for (const [what, factor] of [
    ['an hour ahead', (): number => performance.now() + 3_600_000],
    ['an hour behind', (): number => performance.now() - 3_600_000],
  ] as const) {
    test(`of a dead process goes to who waits, its clock ${what}`, async () => {
      const store = createMemoryStore();
      const mortal = dying(store);
      const lease = held(await contender(mortal.store, 'one', factor).take(name, 0, {}));
      mortal.die();
      const begun = performance.now();
      const next = held(await contender(store, 'two').take(name, 60_000, {}));
      assert.ok(performance.now() - begun >= ttl, 'not before it must be dead');
      // The one that only hung knows that it has lost.
      await (lease.lost.aborted || new Promise((resolve) => lease.lost.addEventListener('abort', resolve)));
      await next.release();
    });
  }

  test('of a process of this machine that has ended is free at once', async () => {
    const store = createMemoryStore();
    const mortal = dying(store);
    held(await contender(mortal.store, leaseHolder()).take(name, 0, {}));
    mortal.die();
    const options = {
      store,
      holder: 'two',
      newId: () => crypto.randomUUID(),
      clock: () => performance.now(),
      ttl: 60_000,
    };
    assert.ok('holder' in (await createLeases({ ...options, isDead: isDeadHere }).take(name, 0, {})), 'it lives');
    const child = spawn(process.execPath, ['-e', '']);
    await new Promise((resolve) => child.once('close', resolve));
    const ended = leaseHolder().replace(`/${process.pid}@`, `/${child.pid}@`);
    assert.equal(isDeadHere(ended), true);
    assert.equal(isDeadHere(ended.replace(/.$/, 'x')), false, 'of another machine nobody can tell');
    await store.put(keys.lease(name), Buffer.from(`held ${ended} beat 60000`));
    await held(await createLeases({ ...options, isDead: isDeadHere }).take(name, 0, {})).release();
  });

  test('is given up by a holder whose store does not answer, before anybody else may have it', async () => {
    const store = createMemoryStore();
    let isDown = false;
    const failing: Store = {
      ...store,
      async swap(path, expected, content, options) {
        if (isDown) throw new StoreError('failed', 'test', path);
        return store.swap(path, expected, content, options);
      },
    };
    const lease = held(await contender(failing, 'one').take(name, 0, {}));
    isDown = true;
    const begun = performance.now();
    let lostAfter = Number.POSITIVE_INFINITY;
    lease.lost.addEventListener('abort', () => {
      lostAfter = performance.now() - begun;
    });
    const next = held(await contender(store, 'two').take(name, 60_000, {}));
    assert.ok(lostAfter < performance.now() - begun);
    await next.release();
  });

  test('survives an answer that was lost on its way, and a store that fails for a moment', async () => {
    const store = createMemoryStore();
    let calls = 0;
    const flaky: Store = {
      ...store,
      async swap(path, expected, content, options) {
        const done = await store.swap(path, expected, content, options);
        // The first takes it; of the renewals each second is done, and not told.
        if (calls++ % 2 === 1) return false;
        return done;
      },
    };
    const lease = held(await contender(flaky, 'one').take(name, 0, {}));
    await sleep(ttl * 2);
    assert.equal(lease.lost.aborted, false);
    await lease.release();
  });

  test('is kept through a sign of life that was written although the store said that it failed', async () => {
    const store = createMemoryStore();
    let calls = 0;
    const torn: Store = {
      ...store,
      async swap(path, expected, content, options) {
        const done = await store.swap(path, expected, content, options);
        if (++calls === 2) throw new StoreError('failed', 'test', path);
        return done;
      },
    };
    const lease = held(await contender(torn, 'one').take(name, 0, {}));
    while (calls < 6 && !lease.lost.aborted) await sleep(5);
    assert.equal(lease.lost.aborted, false);
    await lease.release();
    await held(await contender(store, 'two').take(name, 0, {})).release();
  });

  test('is let go by a holder whose last sign of life was of unknown end', async () => {
    const store = createMemoryStore();
    let calls = 0;
    const torn: Store = {
      ...store,
      async swap(path, expected, content, options) {
        const done = await store.swap(path, expected, content, options);
        if (++calls === 2) throw new StoreError('failed', 'test', path);
        return done;
      },
    };
    const lease = held(await contender(torn, 'one').take(name, 0, {}));
    while (calls < 2) await sleep(1);
    await lease.release();
    await held(await contender(store, 'two').take(name, 0, {})).release();
  });

  test('that is no lease at all is free', async () => {
    const store = createMemoryStore();
    for (const content of ['', 'garbage', 'held', 'held by someone', 'free']) {
      await store.put(keys.lease(name), Buffer.from(content));
      const lease = held(await contender(store, 'one').take(name, 0, {}));
      await lease.release();
    }
  });

  test('is not waited for when asked to stop', async () => {
    const store = createMemoryStore();
    const mortal = dying(store);
    await contender(mortal.store, 'one').take(name, 0, {});
    mortal.die();
    const stop = AbortSignal.timeout(50);
    await assert.rejects(contender(store, 'two').take(name, 60_000, { signal: stop }));
  });
});
