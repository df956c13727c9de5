import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isOperatorError } from '../../../operator/error.ts';
import { apply, conflictsOf } from '../../../operator/kube/apply.ts';
import { resources } from '../../../operator/kube/resources.ts';
import type { Call } from '../../../operator/kube/transport.ts';
import { failure, faultyServer, json, object } from './faulty-server.ts';

const never = new AbortController().signal;
const call: Call = { what: 'ask', method: 'GET', path: '/x', deadlineMs: 5000, signal: never };

test('sequential calls share their connections', async (t) => {
  const { transport, server } = await faultyServer(t, (_, response) => json(response, 200, {}));
  let connections = 0;
  server.on('connection', () => {
    connections++;
  });
  for (let index = 0; index < 50; index++) await transport.json(call);
  assert.ok(connections <= 2, `${connections} connections`);
});

test('a 401 makes the credentials be read again, once', async (t) => {
  const { transport, seen } = await faultyServer(t, ({ headers }, response) =>
    headers.authorization === 'Bearer token-1'
      ? json(response, 200, { fine: true })
      : failure(response, 401, 'Unauthorized'),
  );
  assert.deepEqual(await transport.json(call), { fine: true });
  assert.equal(seen.length, 2);
});

test('a 401 that stays is an error after the second try', async (t) => {
  const { transport, seen } = await faultyServer(t, (_, response) => failure(response, 401, 'Unauthorized'));
  await assert.rejects(transport.json(call), (error) => isOperatorError(error, 'unauthorized'));
  assert.equal(seen.length, 2);
});

test('429 with Retry-After is slept through within the deadline, and ends at it', async (t) => {
  const { transport, seen } = await faultyServer(t, (_, response) => {
    if (seen.length < 3) failure(response, 429, 'TooManyRequests', { 'retry-after': '0' });
    else json(response, 200, {});
  });
  await transport.json(call);
  assert.equal(seen.length, 3);
  const patient = await faultyServer(t, (_, response) =>
    failure(response, 429, 'TooManyRequests', { 'retry-after': '60' }),
  );
  await assert.rejects(patient.transport.json({ ...call, deadlineMs: 100 }), (error) =>
    isOperatorError(error, 'throttled'),
  );
  assert.equal(patient.seen.length, 1);
});

test('an answer that does not come ends at the deadline, one that the caller gives up ends at once', async (t) => {
  const { transport } = await faultyServer(t, () => {});
  await assert.rejects(transport.json({ ...call, deadlineMs: 50 }), (error) => isOperatorError(error, 'deadline'));
  const cut = new AbortController();
  const asked = transport.json({ ...call, signal: cut.signal });
  cut.abort();
  await assert.rejects(asked, (error) => isOperatorError(error, 'aborted'));
});

test('an answer that stops halfway ends at the deadline as well', async (t) => {
  const { transport } = await faultyServer(t, (_, response) => {
    response.writeHead(200, { 'content-type': 'application/json' });
    response.write('{"items": [');
  });
  await assert.rejects(transport.json({ ...call, deadlineMs: 50 }), (error) => isOperatorError(error, 'deadline'));
});

test('an answer that is not JSON, and a server that is away, are told apart', async (t) => {
  const { transport, server, exchanges } = await faultyServer(t, (_, response) => response.end('<html>'));
  await assert.rejects(transport.json(call), (error) => isOperatorError(error, 'malformed'));
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
  await assert.rejects(transport.json(call), (error) => isOperatorError(error, 'unreachable'));
  assert.deepEqual(
    exchanges.map(({ code }) => code),
    ['200', '<error>'],
  );
});

test('no message holds a credential', async (t) => {
  const { transport } = await faultyServer(t, (_, response) => failure(response, 403, 'Forbidden'));
  await assert.rejects(
    transport.json(call),
    (error: Error) => !/token-/.test(JSON.stringify(error) + error.message + error.stack),
  );
});

test('server-side apply is a PATCH of its own type with the manager and force, in JSON', async (t) => {
  const { client, seen } = await faultyServer(t, (_, response) => json(response, 200, object('one', '5')));
  await apply(client, resources.secret, object('one', '4'), { force: true, signal: never });
  await apply(client, resources.registry, object('one', '4'), { force: false, subresource: 'status', signal: never });
  assert.deepEqual(
    seen.map(({ method, path, query, headers }) => [method, path, query.toString(), headers['content-type']]),
    [
      ['PATCH', '/api/v1/namespaces/ns/secrets/one', 'fieldManager=tester&force=true', 'application/apply-patch+yaml'],
      [
        'PATCH',
        '/apis/berth.dev/v1alpha1/namespaces/ns/registries/one/status',
        'fieldManager=tester&force=false',
        'application/apply-patch+yaml',
      ],
    ],
  );
});

test('a conflict names the fields and who manages them', async (t) => {
  const message = 'conflict with "kubectl-edit" using v1';
  const causes = [{ reason: 'FieldManagerConflict', field: '.data.a', message }];
  const { client } = await faultyServer(t, (_, response) =>
    json(response, 409, {
      kind: 'Status',
      code: 409,
      reason: 'Conflict',
      message: 'Apply failed',
      details: { causes },
    }),
  );
  const error = await apply(client, resources.secret, object('one', '4'), { force: false, signal: never }).catch(
    (one) => one,
  );
  assert.deepEqual(conflictsOf(error), [{ field: '.data.a', manager: 'kubectl-edit' }]);
});

test('deleting what is gone, or another object by now, is no error', async (t) => {
  const answers = [404, 409, 200];
  const { client } = await faultyServer(t, (_, response) => {
    const next = answers.shift() ?? 200;
    if (next === 200) json(response, 200, { kind: 'Status' });
    else failure(response, next, next === 404 ? 'NotFound' : 'Conflict');
  });
  const at = { namespace: 'ns', name: 'one' };
  assert.equal(await client.delete(resources.secret, at, 'uid', never), false);
  assert.equal(await client.delete(resources.secret, at, 'uid', never), false);
  assert.equal(await client.delete(resources.secret, at, 'uid', never), true);
});
