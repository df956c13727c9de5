/** Requests that are well-formed HTTP and mean no good: paths, queries, forwarding headers, forged states. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { digestOf, type PushClient } from '../support/push-client.ts';
import { connect, exchange, head } from '../support/torn.ts';
import { layer, name, victim } from './hostile-victim.ts';

const attacked = victim();

async function beginPath(client: PushClient): Promise<string> {
  const { pathname, search } = new URL(await client.beginUpload(name));
  return pathname + search;
}

test('HTTP/1.0, a missing Host, Expect and Upgrade', async () => {
  const { port, client } = attacked();
  assert.deepEqual((await exchange(port, 'GET /v2/ HTTP/1.0\r\n\r\n')).statuses, [200]);
  const begun = await exchange(port, `POST /v2/${name}/blobs/uploads/ HTTP/1.0\r\nContent-Length: 0\r\n\r\n`);
  assert.deepEqual(begun.statuses, [202]);
  assert.match(begun.text, /\r\nLocation: \/v2\/victim\/blobs\/uploads\//, 'relative where no host is known');
  assert.deepEqual((await exchange(port, 'GET /v2/ HTTP/1.1\r\n\r\n')).statuses, [400]);
  const waiting = await connect(port);
  await waiting.send(head(`PATCH ${await beginPath(client)}`, 'Expect: 100-continue', 'Content-Length: 5'));
  assert.deepEqual(await waiting.answers(1), [100]);
  await waiting.send('hello');
  assert.deepEqual(await waiting.answers(2), [100, 202]);
  waiting.socket.destroy();
  const odd = await exchange(port, head('GET /v2/', 'Expect: a miracle'));
  assert.deepEqual(odd.statuses, [417]);
  assert.deepEqual(
    (
      await exchange(
        port,
        head('GET /v2/', 'Connection: Upgrade, HTTP2-Settings', 'Upgrade: h2c', 'HTTP2-Settings: AAMAAABk'),
      )
    ).statuses,
    [200],
  );
  for (const method of ['TRACE', 'PURGE', 'CONNECT', 'LINK']) {
    const { statuses } = await exchange(port, head(`${method} /v2/`, 'Connection: close'));
    assert.ok(
      statuses.every((status) => status >= 400 && status < 500),
      `${method}: ${statuses}`,
    );
  }
});

test('no path leads out of the tree', async () => {
  const { port } = attacked();
  const up = ['../', '..%2f', '%2e%2e/', '%2e%2e%2f', '..%252f', '..\\', '..%5c', '%c0%ae%c0%ae/', '..;/', './', '//'];
  const paths = up.flatMap((step) => [
    `/v2/${step.repeat(8)}etc/passwd`,
    `/v2/${step.repeat(8)}etc/manifests/passwd`,
    `/v2/${name}/manifests/${step.repeat(8)}etc/passwd`,
    `/v2/${name}/blobs/${step.repeat(8)}etc/passwd`,
    `/v2/${name}/blobs/sha256:${step.repeat(8)}etc/passwd`,
    `/v2/${name}/blobs/uploads/${step.repeat(3)}startedat`,
    `/v2/${name}/blobs/uploads/${encodeURIComponent(step)}`,
    `/v2/${name}/referrers/${step}sha256:${'0'.repeat(64)}`,
  ]);
  const odd = [
    ...[
      '/v2/%00/tags/list',
      `/v2/${name}%00/tags/list`,
      `/v2/${name}/manifests/v1%00`,
      `/v2/${name}/manifests/v1%0d%0aX-Evil:%201`,
    ],
    ...[
      '/v2/%/tags/list',
      '/v2/%zz/tags/list',
      '/v2/%ff%fe/tags/list',
      '/v2/_layers/tags/list',
      `/v2/${name}/_manifests/tags/list`,
    ],
    ...[
      '*',
      '/',
      '//',
      '/v2//',
      '/v2/..',
      'http://other.example/v2/',
      `/v2/${'a'.repeat(256)}/tags/list`,
      `/v2/${name}/manifests/${'t'.repeat(129)}`,
    ],
    ...[
      `/v2/${name}/blobs/uploads/.`,
      `/v2/${name}/blobs/uploads/..`,
      `/v2/${name}/blobs/uploads/${'i'.repeat(300)}`,
      `/v2/__proto__/tags/list`,
    ],
  ];
  const ask = async (path: string, method: string): Promise<void> => {
    const { statuses, text } = await exchange(
      port,
      head(`${method} ${path}`, 'Content-Length: 0', 'Connection: close'),
    );
    const isHarmless = path.startsWith('http:') || ['*', '/', '//', '/v2//'].includes(path);
    const least = isHarmless ? 100 : 300;
    assert.ok(
      statuses.every((status) => status >= least && status < 500),
      `${method} ${path}: ${statuses}`,
    );
    assert.doesNotMatch(text, /root:|\r\nx-evil/i);
  };
  for (const path of [...paths, ...odd]) await Promise.all(['GET', 'PUT', 'DELETE'].map((method) => ask(path, method)));
});

test('odd queries are answered, not believed', async () => {
  const { port, client } = attacked();
  const queries = [
    'n=1e9',
    'n=-1',
    'n=99999999999999999999',
    'n=0x10',
    'n=1&n=2',
    'n[]=1',
    'n',
    'last=%00',
    'last=%ff',
    'last=../..',
    'last=a&last=b',
    `last=${'z'.repeat(5000)}`,
    '__proto__=1',
    'constructor=x&toString=y',
    '%',
    '%zz=1',
    '&&&===',
    'n=1;last=x',
  ];
  for (const query of queries) {
    for (const path of [
      '_catalog',
      `${name}/tags/list`,
      `${name}/referrers/${attacked().digest}`,
      `${name}/manifests/v1`,
      `${name}/blobs/${digestOf(layer)}`,
    ]) {
      const { statuses } = await exchange(port, head(`HEAD /v2/${path}?${query}`, 'Connection: close'));
      assert.ok([200, 400, 404].includes(statuses[0] ?? 0), `${path}?${query}: ${statuses}`);
    }
  }
  for (const query of [
    'digest=',
    'digest=md5:x',
    'digest=sha256:x&digest=y',
    'mount=',
    'mount=x&from=../..',
    'mount=%00&from=%00',
    'digest-algorithm=md5',
  ]) {
    const { statuses } = await exchange(port, head(`POST /v2/${name}/blobs/uploads/?${query}`, 'Content-Length: 0'));
    assert.ok([202, 400].includes(statuses[0] ?? 0), `${query}: ${statuses}`);
  }
  const ranges = Array.from({ length: 1500 }, (_, at) => `${at}-${at}`).join(',');
  for (const range of [ranges, '0-,'.repeat(1000), '-0', '5-2', '99999999999999999999-', 'x']) {
    const reply = await client.send('GET', `/v2/${name}/blobs/${digestOf(layer)}`, {
      headers: { range: `bytes=${range}` },
    });
    assert.ok([200, 206, 400, 416].includes(reply.status), `${range.slice(0, 20)}: ${reply.status}`);
    assert.ok(reply.body.length <= 2 * layer.length, `${reply.body.length} bytes for a range`);
  }
});

test('forwarding headers cannot put anything but a host into a Location', async () => {
  const { port } = attacked();
  const evil = [
    'evil/path',
    'evil"><script>',
    'a b',
    'evil\tx',
    "evil'@host",
    'evil?x',
    'evil#',
    '[::1',
    'x'.repeat(5000),
    '\u00e9vil',
    'user:pass@evil',
    '',
  ];
  for (const host of evil) {
    for (const line of [
      `X-Forwarded-Host: ${host}`,
      `Forwarded: host="${host}";proto=javascript`,
      `X-Forwarded-Proto: javascript:${host}`,
    ]) {
      const { statuses, text } = await exchange(
        port,
        Buffer.from(head(`POST /v2/${name}/blobs/uploads/`, 'Content-Length: 0', line), 'latin1'),
      );
      if (statuses[0] === 400) continue;
      assert.deepEqual(statuses, [202], line);
      assert.match(
        text,
        /\r\nLocation: (https?:\/\/[A-Za-z0-9._:[\]-]+)?\/v2\/victim\/blobs\/uploads\/[0-9a-f-]+\?_state=[A-Za-z0-9_%=-]+\r\n/,
        line,
      );
    }
  }
});

test('a forged or foreign _state moves no upload', async () => {
  const { client } = attacked();
  const mine = new URL(await client.append(await client.beginUpload(name), Buffer.from('mine')));
  const other = new URL(await client.beginUpload('good'));
  const state = mine.searchParams.get('_state') ?? '';
  const json = Buffer.from(
    JSON.stringify({ Name: name, UUID: mine.pathname.split('/').at(-1), Offset: 4, StartedAt: new Date() }),
  );
  const forged = [
    ...['', 'x', '%00', '=', state.slice(0, -4), `A${state}`, state.replace(/^...../, 'AAAAA')],
    ...[
      other.searchParams.get('_state') ?? '',
      Buffer.concat([Buffer.alloc(32), json]).toString('base64url'),
      json.toString('base64'),
    ],
  ];
  for (const token of forged) {
    const path = `${mine.pathname}?_state=${encodeURIComponent(token)}`;
    for (const method of ['PATCH', 'PUT', 'DELETE'] as const) {
      const target = method === 'PUT' ? `${path}&digest=${digestOf(Buffer.from('mine'))}` : path;
      const reply = await client.send(method, target, { body: Buffer.from('more') });
      assert.equal(reply.status, 404, `${method} with ${token.slice(0, 20)}: ${reply.body}`);
    }
  }
  const stale = await client.beginUpload(name);
  await client.append(stale, Buffer.from('one'));
  await client.expect(416, 'PATCH', stale, { body: Buffer.from('again') });
  await client.finishUpload(mine.href, digestOf(Buffer.from('mine')));
});
