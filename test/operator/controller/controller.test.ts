import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { createController } from '../../../operator/controller/controller.ts';
import { type Outcome, settled } from '../../../operator/controller/outcome.ts';
import { createQueue } from '../../../operator/controller/queue.ts';
import { silent } from '../../../operator/log.ts';
import { createMetrics } from '../../../operator/metrics.ts';
import { eventually } from '../../support/eventually.ts';

function setUp(
  reconcile: (key: string, options: { signal: AbortSignal }) => Promise<Outcome>,
  workers = 2,
  deadlineMs = 60_000,
) {
  const metrics = createMetrics();
  const clock = {
    now: () => performance.now(),
    after(ms: number, call: () => void) {
      const timer = setTimeout(call, ms);
      return () => clearTimeout(timer);
    },
  };
  const queue = createQueue({ name: 'test', clock, random: () => 0, firstDelayMs: 1, metrics: metrics.queue });
  const controller = createController({
    name: 'test',
    queue,
    reconcile,
    workers,
    deadlineMs,
    metrics,
    log: silent,
    now: clock.now,
  });
  controller.start();
  const count = async (line: string) => {
    const { body } = await metrics.text();
    return Number(new RegExp(`^${line.replace(/[{}]/g, '\\$&')} (.*)$`, 'm').exec(body)?.[1] ?? 0);
  };
  return { queue, controller, count };
}

test('a reconciliation that throws stays alone: it is counted as a panic and tried again, other keys go on', async (t) => {
  const seen: string[] = [];
  const { queue, controller, count } = setUp(async (key) => {
    seen.push(key);
    if (key === 'bad' && seen.filter((one) => one === 'bad').length < 3) throw new TypeError('boom');
    return settled;
  });
  t.after(() => controller.stop(0));
  queue.add('bad');
  queue.add('good');
  await eventually(() => assert.equal(seen.filter((one) => one === 'bad').length, 3));
  assert.ok(seen.includes('good'));
  await eventually(async () =>
    assert.equal(await count('controller_runtime_reconcile_panics_total{controller="test"}'), 2),
  );
  await eventually(async () =>
    assert.equal(await count('controller_runtime_reconcile_total{controller="test",result="success"}'), 2),
  );
});

test('each fate has its consequence: settled and stalled rest, again comes back, failed is tried with back-off', async (t) => {
  const runs = new Map<string, number>();
  const fates: Record<string, Outcome> = {
    settled,
    stalled: { fate: 'stalled', reason: 'Wrong' },
    again: { fate: 'again', afterMs: 1 },
    failed: { fate: 'failed', error: new Error('no') },
    late: { fate: 'failed', error: new Error('later'), afterMs: 1_000_000 },
  };
  const { queue, controller, count } = setUp(async (key) => {
    const run = (runs.get(key) ?? 0) + 1;
    runs.set(key, run);
    return run === 1 ? (fates[key] ?? settled) : settled;
  });
  t.after(() => controller.stop(0));
  for (const key of Object.keys(fates)) queue.add(key);
  await eventually(() => assert.deepEqual([runs.get('again'), runs.get('failed')], [2, 2]));
  await sleep(50);
  assert.deepEqual(Object.fromEntries(runs), { settled: 1, stalled: 1, again: 2, failed: 2, late: 1 });
  assert.equal(await count('controller_runtime_terminal_reconcile_errors_total{controller="test"}'), 1);
  assert.equal(await count('controller_runtime_reconcile_errors_total{controller="test"}'), 2);
});

test('the signal of a reconciliation fires at its deadline', async (t) => {
  const { queue, controller, count } = setUp(
    async (_, { signal }) => {
      await sleep(60_000, undefined, { signal });
      return settled;
    },
    1,
    20,
  );
  t.after(() => controller.stop(0));
  queue.add('slow');
  await eventually(async () =>
    assert.ok((await count('controller_runtime_reconcile_timeouts_total{controller="test"}')) >= 1),
  );
});

test('stopping waits for what is under way and cuts it off after the grace', async () => {
  const { promise: started, resolve } = Promise.withResolvers<void>();
  let cut = false;
  const { queue, controller } = setUp(async (_, { signal }) => {
    resolve();
    await new Promise((done) => signal.addEventListener('abort', done));
    cut = true;
    return settled;
  });
  queue.add('a');
  await started;
  await controller.stop(30);
  assert.ok(cut);
});
