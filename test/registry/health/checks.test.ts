import assert from 'node:assert/strict';
import { suite, type TestContext, test } from 'node:test';
import { type Check, createHealth, type Health } from '../../../registry/health/checks.ts';
import { storageCheck } from '../../../registry/health/storagedriver.ts';
import { silent } from '../../../registry/log.ts';
import { createMemoryStore } from '../../../registry/storage/memory.ts';
import { eventually } from '../../support/eventually.ts';

/** A check whose answers the test gives, one by one, and which counts how often it was asked. */
function scripted(answers: (signal: AbortSignal) => Promise<unknown>, options: Partial<Check> = {}) {
  const seen = { asked: 0, pending: 0, mostPending: 0 };
  const check: Check = {
    name: 'disk',
    interval: 2,
    threshold: 1,
    deadline: 10_000,
    async probe({ signal }) {
      seen.asked += 1;
      seen.pending += 1;
      seen.mostPending = Math.max(seen.mostPending, seen.pending);
      try {
        return await answers(signal);
      } finally {
        seen.pending -= 1;
      }
    },
    ...options,
  };
  return { check, seen };
}

function started(t: TestContext, checks: readonly Check[], log = silent): Health {
  const health = createHealth(checks, log);
  t.after(() => health.stop());
  health.start();
  return health;
}

suite('health', () => {
  test('is well before anything was asked, and with no check at all', () => {
    assert.equal(createHealth([], silent).failing(), undefined);
    const { check, seen } = scripted(() => Promise.reject(new Error('x')));
    assert.equal(createHealth([check], silent).failing(), undefined);
    assert.equal(seen.asked, 0);
  });

  test('shows the reason under the name of the check, and recovers', async (t) => {
    let broken = true;
    const { check } = scripted(async () => {
      if (broken) throw new Error('no disk');
    });
    const messages: string[] = [];
    const log = {
      ...silent,
      warn: (_: object, m: string) => messages.push(m),
      info: (_: object, m: string) => messages.push(m),
    };
    const health = started(t, [check], log);
    await eventually(() => assert.deepEqual(health.failing(), { disk: 'no disk' }));
    broken = false;
    await eventually(() => assert.equal(health.failing(), undefined));
    assert.deepEqual(messages, ['health check failed', 'health check passes again']);
  });

  test('fails only after so many failures in a row as the threshold says', async (t) => {
    const answers = [false, false, true, false, false, false];
    const failedAt: number[] = [];
    const { check, seen } = scripted(
      async () => {
        if (health.failing() !== undefined) failedAt.push(seen.asked);
        if (!(answers[seen.asked - 1] ?? false)) throw new Error('no disk');
      },
      { threshold: 3 },
    );
    const health: Health = started(t, [check]);
    await eventually(() => assert.deepEqual(health.failing(), { disk: 'no disk' }));
    await eventually(() => assert.ok(failedAt.length > 0));
    assert.equal(failedAt[0], 7, 'the sixth answer is the third failure in a row');
  });

  test('a check that throws at once, or something that is no error, is a failure like others', async (t) => {
    const probe = (): Promise<never> => {
      throw 'odd';
    };
    const health = started(t, [{ name: 'odd', interval: 1, threshold: 1, deadline: 1000, probe }]);
    await eventually(() => assert.deepEqual(health.failing(), { odd: 'odd' }));
  });

  test('two checks of one name are refused', () => {
    const { check } = scripted(() => Promise.resolve());
    assert.throws(() => createHealth([check, check], silent), /two health checks have the same name/);
  });

  test('an interval longer than any timer is long, not none at all', async (t) => {
    const { check, seen } = scripted(() => Promise.resolve(), { interval: 1000 * 3_600_000 });
    started(t, [check]);
    await new Promise((resolve) => setTimeout(resolve, 30));
    assert.equal(seen.asked, 0);
  });

  test('stops asking', async () => {
    const { check, seen } = scripted(() => Promise.resolve());
    const health = createHealth([check], silent);
    health.start();
    await eventually(() => assert.ok(seen.asked > 2));
    await health.stop();
    const { asked } = seen;
    await new Promise((resolve) => setTimeout(resolve, 30));
    assert.equal(seen.asked, asked);
  });

  test('stops while a look is under way', async () => {
    const { check, seen } = scripted(() => new Promise(() => {}));
    const health = createHealth([check], silent);
    health.start();
    await eventually(() => assert.equal(seen.pending, 1));
    await health.stop();
  });
});

suite('a hung disk', () => {
  test('becomes unhealthy at its threshold though its one look never ends, and piles nothing up', async (t) => {
    const { check, seen } = scripted(() => new Promise(() => {}), { deadline: 10, threshold: 4 });
    const health = started(t, [check]);
    await eventually(() => assert.deepEqual(health.failing(), { disk: 'no answer within 10 ms' }));
    await new Promise((resolve) => setTimeout(resolve, 50));
    assert.equal(seen.asked, 1);
    assert.equal(seen.mostPending, 1);
  });

  test('is asked again once its look has come to an end', async (t) => {
    const { promise, resolve } = Promise.withResolvers<void>();
    const { check, seen } = scripted(() => (seen.asked === 1 ? promise : Promise.resolve()), { deadline: 5 });
    const health = started(t, [check]);
    await eventually(() => assert.notEqual(health.failing(), undefined));
    resolve();
    await eventually(() => assert.equal(health.failing(), undefined));
  });

  test('is told at the deadline to give up', async (t) => {
    const { check } = scripted(
      (signal) => new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason))),
      { deadline: 5 },
    );
    const health = started(t, [check]);
    await eventually(() => assert.deepEqual(health.failing(), { disk: 'no answer within 5 ms' }));
  });
});

suite('the storage', () => {
  const options = { interval: 1, threshold: 0 };

  test('is named after its driver, and empty storage is healthy', async (t) => {
    const store = createMemoryStore();
    const check = storageCheck(store, options);
    assert.equal(check.name, 'storagedriver_inmemory');
    let asked = 0;
    const counted = { ...check, probe: (o: { signal: AbortSignal }) => check.probe(o).finally(() => asked++) };
    const health = started(t, [counted]);
    await eventually(() => assert.ok(asked > 2));
    assert.equal(health.failing(), undefined);
  });

  test('not being there yet is healthy, a fault is not', async (t) => {
    const store = createMemoryStore();
    let broken = false;
    const stat = async () => {
      if (broken) throw new Error('EIO');
      return undefined;
    };
    const health = started(t, [storageCheck({ ...store, stat }, options)]);
    await new Promise((resolve) => setTimeout(resolve, 20));
    assert.equal(health.failing(), undefined);
    broken = true;
    await eventually(() => assert.deepEqual(health.failing(), { storagedriver_inmemory: 'EIO' }));
  });
});
