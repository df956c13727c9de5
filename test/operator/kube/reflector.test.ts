import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { createReflector, type Tuning } from '../../../operator/kube/reflector.ts';
import { resources } from '../../../operator/kube/resources.ts';
import { eventually } from '../../support/eventually.ts';
import { event, failure, faultyServer, type Handler, json, list } from './faulty-server.ts';

const quick: Partial<Tuning> = { firstDelayMs: 5, maxDelayMs: 50, idleMs: 60_000 };

async function reflect(t: TestContext, handler: Handler, tuning: Partial<Tuning> = {}, metadataOnly = false) {
  const { seen, transport, client, sleep: wait } = await faultyServer(t, handler);
  const changes: string[] = [];
  const troubles: (string | undefined)[] = [];
  let syncs = 0;
  const reflector = createReflector({
    transport,
    client,
    selection: { resource: resources.secret, labelSelector: 'a=b', metadataOnly },
    transform: (one) => one,
    onChange: (key, { before, after }) => {
      const what = before === undefined ? 'added' : after === undefined ? 'removed' : 'changed';
      changes.push(`${what} ${key} ${after?.metadata.resourceVersion ?? before?.metadata.resourceVersion}`);
    },
    onSynced: () => {
      syncs++;
    },
    onTrouble: (error) => troubles.push(error?.code),
    sleep: wait,
    random: () => 0,
    now: () => performance.now(),
    tuning: { ...quick, ...tuning },
  });
  t.after(() => reflector.stop());
  reflector.start();
  const watches = () => seen.filter(({ watch }) => watch);
  const lists = () => seen.filter(({ watch }) => !watch);
  return { reflector, changes, troubles, watches, lists, syncs: () => syncs, seen };
}

test('a list comes in pages, the watch starts at its version with bookmarks and a bounded time', async (t) => {
  const { changes, watches, lists, reflector } = await reflect(
    t,
    ({ watch, query }, response) => {
      if (watch) response.write(event('BOOKMARK', '', '12'));
      else if (query.get('continue') === null) json(response, 200, list('10', { one: '3' }, 'token'));
      else json(response, 200, list('10', { two: '4' }));
    },
    { pageSize: 1 },
  );
  await eventually(() => assert.equal(watches().length, 1));
  assert.ok(reflector.hasSynced());
  assert.deepEqual(changes, ['added ns/one 3', 'added ns/two 4']);
  assert.deepEqual(
    lists().map(({ query }) => [query.get('limit'), query.get('continue'), query.get('labelSelector')]),
    [
      ['1', null, 'a=b'],
      ['1', 'token', 'a=b'],
    ],
  );
  const { query } = watches()[0] ?? {};
  assert.equal(query?.get('resourceVersion'), '10');
  assert.equal(query?.get('allowWatchBookmarks'), 'true');
  assert.equal(query?.get('timeoutSeconds'), '300');
});

test('a page token that expires (410) leads to a list without pages', async (t) => {
  const { reflector, lists } = await reflect(
    t,
    ({ watch, query }, response) => {
      if (watch) response.write(' ');
      else if (query.get('continue') !== null) failure(response, 410, 'Expired');
      else if (query.get('limit') !== null) json(response, 200, list('10', { one: '3' }, 'old'));
      else json(response, 200, list('11', { one: '3', two: '4' }));
    },
    { pageSize: 1 },
  );
  await eventually(() => assert.ok(reflector.hasSynced()));
  assert.equal(lists().length, 3);
  assert.deepEqual([...reflector.store.keys()], ['ns/one', 'ns/two']);
});

test('a watch that ends goes on at the last version seen, a bookmark’s included, without a new list', async (t) => {
  const { changes, watches, lists } = await reflect(t, ({ watch, query }, response) => {
    if (!watch) return json(response, 200, list('10', {}));
    if (query.get('resourceVersion') === '10')
      return response.end(event('ADDED', 'one', '11') + event('BOOKMARK', '', '20'));
    if (query.get('resourceVersion') === '20') return response.end(event('MODIFIED', 'one', '21'));
    return response.write(event('DELETED', 'one', '30'));
  });
  await eventually(() => assert.deepEqual(changes, ['added ns/one 11', 'changed ns/one 21', 'removed ns/one 21']));
  assert.deepEqual(
    watches().map(({ query }) => query.get('resourceVersion')),
    ['10', '20', '21'],
  );
  assert.equal(lists().length, 1);
});

for (const how of ['as an HTTP status', 'as an event'] as const) {
  test(`410 ${how} leads to a new list, whose differences are told as changes`, async (t) => {
    let expired = false;
    const { changes, lists, troubles } = await reflect(t, ({ watch }, response) => {
      if (!watch)
        return json(
          response,
          200,
          expired ? list('30', { two: '5', three: '25' }) : list('10', { one: '3', two: '5' }),
        );
      if (expired) return response.write(event('BOOKMARK', '', '31'));
      expired = true;
      if (how === 'as an HTTP status') return failure(response, 410, 'Expired');
      return response.end(
        `${JSON.stringify({ type: 'ERROR', object: { kind: 'Status', code: 410, reason: 'Expired' } })}\n`,
      );
    });
    await eventually(() => assert.equal(lists().length, 2));
    await eventually(() =>
      assert.deepEqual(changes, ['added ns/one 3', 'added ns/two 5', 'added ns/three 25', 'removed ns/one 3']),
    );
    assert.deepEqual(troubles, [], 'it is part of ordinary life');
  });
}

test('410 again and again is slowed down', async (t) => {
  const { lists } = await reflect(
    t,
    ({ watch }, response) => (watch ? failure(response, 410, 'Expired') : json(response, 200, list('10', {}))),
    { firstDelayMs: 20, maxDelayMs: 10_000 },
  );
  await eventually(() => assert.ok(lists().length >= 5));
  const at = lists().map((one) => one.at);
  const gaps = at.slice(1).map((time, index) => time - (at[index] ?? 0));
  assert.ok((gaps[3] ?? 0) > 2 * (gaps[0] ?? 0), `delays grow: ${gaps.map(Math.round)}`);
});

test('429 and 503 are kept to: the time in Retry-After is waited for, list and watch go on by themselves', async (t) => {
  let refused = 0;
  const { seen, reflector, watches } = await reflect(t, ({ watch }, response) => {
    refused++;
    if (refused % 2 === 1) return failure(response, watch ? 503 : 429, 'TooManyRequests', { 'retry-after': '1' });
    return watch ? response.write(event('ADDED', 'one', '11')) : json(response, 200, list('10', {}));
  });
  await eventually(() => assert.equal(reflector.store.size, 1));
  assert.equal(watches().length, 2);
  const at = seen.map((one) => one.at);
  assert.ok((at[1] ?? 0) - (at[0] ?? 0) >= 950, 'after a 429');
  assert.ok((at[3] ?? 0) - (at[2] ?? 0) >= 950, 'after a 503');
});

test('a 500 on list and watch stops nothing, and is told once it fails and once it works', async (t) => {
  let calls = 0;
  const { reflector, troubles } = await reflect(t, ({ watch }, response) => {
    calls++;
    if (calls < 4 || calls === 5) return failure(response, 500, 'InternalError');
    return watch ? response.write(event('ADDED', 'one', '11')) : json(response, 200, list('10', {}));
  });
  await eventually(() => assert.equal(reflector.store.size, 1));
  assert.deepEqual(troubles, ['server', 'server', 'server', undefined, 'server', undefined]);
});

test('a line that is no event, and an event cut in two, lead to a new watch from the last version', async (t) => {
  const bad = [
    '{"type":"ADDED","obj\n',
    'null\n',
    '{"type":"NEW","object":{}}\n',
    event('ADDED', 'half', '12').slice(0, 30),
  ];
  const { reflector, watches, lists } = await reflect(t, ({ watch }, response) => {
    if (!watch) return json(response, 200, list('10', {}));
    const next = bad.shift();
    if (next === undefined) return response.write(event('ADDED', 'one', '13'));
    return response.end(next);
  });
  await eventually(() => assert.deepEqual([...reflector.store.keys()], ['ns/one']));
  assert.equal(watches().length, 5);
  assert.ok(watches().every(({ query }) => query.get('resourceVersion') === '10'));
  assert.equal(lists().length, 1);
});

test('a connection that falls silent without closing is given up, and the watch goes on elsewhere', async (t) => {
  const { reflector, watches } = await reflect(
    t,
    ({ watch, query }, response) => {
      if (!watch) return json(response, 200, list('10', {}));
      if (query.get('resourceVersion') === '10') return response.write(event('ADDED', 'one', '11'));
      return response.write(event('ADDED', 'two', '12'));
    },
    { idleMs: 1100 },
  );
  await eventually(() => assert.equal(reflector.store.size, 2));
  assert.equal(watches()[1]?.query.get('resourceVersion'), '11');
});

test('connections cut off at any byte lose no change', async (t) => {
  const events = Array.from({ length: 20 }, (_, index) => event('ADDED', `o${index}`, String(11 + index)));
  let cut = 0;
  const { reflector, lists } = await reflect(t, ({ watch, query }, response) => {
    if (!watch) return json(response, 200, list('10', {}));
    const text = events.slice(Number(query.get('resourceVersion')) - 10).join('');
    if (text === '') return response.write(event('BOOKMARK', '', '30'));
    cut += 37;
    response.write(text.slice(0, cut), () => setTimeout(() => response.destroy(), 5));
  });
  await eventually(() => assert.equal(reflector.store.size, 20));
  assert.equal(lists().length, 1);
});

test('an unknown resource (404) is told and asked for again until it is there', async (t) => {
  let calls = 0;
  const { reflector, troubles } = await reflect(t, ({ watch }, response) => {
    calls++;
    if (calls < 3) return failure(response, 404, 'NotFound');
    return watch ? response.write(' ') : json(response, 200, list('10', { one: '3' }));
  });
  await eventually(() => assert.ok(reflector.hasSynced()));
  assert.deepEqual(troubles, ['notFound', 'notFound', undefined]);
});

test('stop is final: during a list, in a delay and in a watch nothing is sent afterwards', async (t) => {
  for (const moment of ['list', 'delay', 'watch'] as const) {
    const { reflector, seen } = await reflect(
      t,
      ({ watch }, response) => {
        if (moment === 'list') return;
        if (moment === 'delay') return failure(response, 500, 'InternalError');
        return watch ? response.write(event('BOOKMARK', '', '11')) : json(response, 200, list('10', {}));
      },
      { firstDelayMs: 100, maxDelayMs: 100 },
    );
    await eventually(() => assert.ok(seen.length >= (moment === 'watch' ? 2 : 1)));
    await sleep(20);
    await reflector.stop();
    // A request that was on its way may still arrive.
    await sleep(50);
    const before = seen.length;
    await sleep(250);
    assert.equal(seen.length, before, moment);
  }
});

test('metadata alone is asked for in lists and watches (PartialObjectMetadata)', async (t) => {
  const { watches, lists } = await reflect(
    t,
    ({ watch }, response) => (watch ? response.write(' ') : json(response, 200, list('10', {}))),
    {},
    true,
  );
  await eventually(() => assert.equal(watches().length, 1));
  assert.match(lists()[0]?.headers.accept ?? '', /as=PartialObjectMetadataList;g=meta.k8s.io;v=v1/);
  assert.match(watches()[0]?.headers.accept ?? '', /as=PartialObjectMetadata;g=meta.k8s.io;v=v1/);
});
