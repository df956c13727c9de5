/** Where the registry listens: TCP, unix sockets and what an earlier run left of them, a socket that systemd hands over. */
import assert from 'node:assert/strict';
import { lstat, mkdir, symlink, writeFile } from 'node:fs/promises';
import { createServer, request } from 'node:http';
import { createServer as createTcpServer, type Server } from 'node:net';
import { join } from 'node:path';
import { suite, type TestContext, test } from 'node:test';
import { activatedSocket, listen, listenOn } from '../../registry/listen.ts';
import { eventually } from '../support/eventually.ts';
import { temporaryFolder } from '../support/registry-process.ts';
import { spawnObserved, startObserved } from './observed.ts';

function web(t: TestContext) {
  const server = createServer((_, response) => response.end('here'));
  t.after(() => {
    server.close();
    server.closeAllConnections();
  });
  return server;
}

const statusAt = (socketPath: string, path: string): Promise<number | undefined> =>
  new Promise((resolve, reject) => {
    request({ socketPath, path, agent: false }, (response) => {
      response.resume();
      resolve(response.statusCode);
    })
      .on('error', reject)
      .end();
  });

suite('a unix socket', () => {
  test('is made, and removed with the server', async (t) => {
    const addr = join(await temporaryFolder(t), 'socket');
    const server = web(t);
    assert.equal(await listen(server, { key: 'http.addr', net: 'unix', addr }), addr);
    assert.equal(await statusAt(addr, '/'), 200);
    await new Promise((resolve) => server.close(resolve));
    await assert.rejects(lstat(addr), { code: 'ENOENT' });
  });

  test('left by a process that was killed is replaced', async (t) => {
    const addr = join(await temporaryFolder(t), 'socket');
    const http = { net: 'unix', addr };
    const server = await startObserved(t, { config: { http } });
    await server.line(`listening on ${addr}`);
    assert.equal(await statusAt(addr, '/v2/'), 200);
    await eventually(() => assert.match(server.stdout(), /^@ - - \[/, 'there is no address on the other end'));
    server.signal('SIGKILL');
    await server.ended;
    assert.ok((await lstat(addr)).isSocket());
    const again = await startObserved(t, { config: { http } });
    assert.equal(await statusAt(addr, '/v2/'), 200);
    again.signal('SIGTERM');
    assert.equal(await again.ended, 0);
    await assert.rejects(lstat(addr), { code: 'ENOENT' });
  });

  for (const [kind, make] of [
    ['file', (path: string) => writeFile(path, 'data')],
    ['folder', (path: string) => mkdir(path)],
    ['link', (path: string) => symlink('elsewhere', path)],
  ] as const) {
    test(`is not put in the place of a ${kind}, which stays`, async (t) => {
      const addr = join(await temporaryFolder(t), 'socket');
      await make(addr);
      const wrong = listen(web(t), { key: 'http.addr', net: 'unix', addr });
      await assert.rejects(wrong, /exists and is not a socket; correct http\.addr$/);
      assert.ok(!(await lstat(addr)).isSocket());
    });
  }

  test('in a folder that is not there is a sentence', async (t) => {
    const addr = join(await temporaryFolder(t), 'no', 'socket');
    await assert.rejects(listen(web(t), { key: 'http.addr', net: 'unix', addr }), /its folder does not exist/);
  });
});

suite('TCP', () => {
  test('of a taken port is a sentence, and for the debug server as fatal as for the other', async (t) => {
    const server = web(t);
    const addr = await listen(server, { key: 'http.addr', net: 'tcp', addr: '127.0.0.1:0' });
    await assert.rejects(listen(web(t), { key: 'http.addr', net: 'tcp', addr }), /another program listens there/);
    const refused = await spawnObserved(t, { config: { http: { debug: { addr } } } });
    assert.equal(await refused.ended, 1);
    assert.match(refused.stderr(), /^registry: cannot listen on .*: another program .* http\.debug\.addr$/m);
    assert.doesNotMatch(refused.stderr(), /^\s+at /m);
  });

  test('what happens to it later does not end the process', async (t) => {
    const server = web(t);
    await listen(server, { key: 'http.addr', net: 'tcp', addr: '127.0.0.1:0' });
    for (let times = 0; times < 2; times += 1) server.emit('error', new Error('EMFILE'));
  });
});

suite('systemd socket activation (sd_listen_fds(3))', () => {
  const cases = [
    { env: {}, fd: undefined },
    { env: { LISTEN_PID: '7', LISTEN_FDS: '1' }, fd: 3 },
    { env: { LISTEN_PID: '8', LISTEN_FDS: '1' }, fd: undefined },
    { env: { LISTEN_FDS: '1' }, fd: undefined },
    { env: { LISTEN_PID: '7' }, fd: undefined },
    { env: { LISTEN_PID: '7', LISTEN_FDS: '0' }, fd: undefined },
    { env: { LISTEN_PID: '7', LISTEN_FDS: 'x' }, fd: undefined },
  ];
  for (const { env, fd } of cases) {
    test(`${JSON.stringify(env)}: ${fd ?? 'none'}`, () => assert.equal(activatedSocket(env, 7), fd));
  }

  test('several sockets are refused', () => {
    assert.throws(() => activatedSocket({ LISTEN_PID: '7', LISTEN_FDS: '2' }, 7), /hands over 2 sockets/);
  });

  test('a descriptor that is no socket is a sentence', async (t) => {
    await assert.rejects(listenOn(web(t), 1_000_000), /cannot listen on the socket that systemd hands over/);
  });

  /** As systemd does it: the variable names the process that the command becomes. */
  const under = ['/bin/sh', '-c', 'LISTEN_PID=$$ exec "$@"', 'sh'];

  async function handedOver(t: TestContext, path: string | undefined): Promise<{ server: Server; fd: number }> {
    // Both processes accept as long as this one holds the socket; who comes here has to ask again.
    const server = createTcpServer((socket) => socket.destroy());
    await new Promise<void>((resolve) =>
      path === undefined ? server.listen(0, '127.0.0.1', resolve) : server.listen(path, resolve),
    );
    t.after(() => server.close());
    return { server, fd: (server as Server & { _handle: { fd: number } })._handle.fd };
  }

  test('takes the place of http.addr and http.net', async (t) => {
    const { server: socket, fd } = await handedOver(t, undefined);
    const server = await startObserved(t, { fd, under, env: { LISTEN_FDS: '1' } });
    const { port } = socket.address() as { port: number };
    // Only the registry accepts from here on.
    socket.close();
    await server.line(`listening on 127.0.0.1:${port}`);
    await server.line('Using systemd socket activation instead of any configured network listeners');
    assert.equal((await fetch(`http://127.0.0.1:${port}/v2/`)).status, 200);
    await assert.rejects(fetch(`${server.url}/v2/`), 'nobody listens on http.addr');
    server.signal('SIGTERM');
    assert.equal(await server.ended, 0);
  });

  test('a unix socket as well; it is not ours to remove', async (t) => {
    const path = join(await temporaryFolder(t), 'socket');
    const { fd } = await handedOver(t, path);
    const server = await startObserved(t, { fd, under, env: { LISTEN_FDS: '1' } });
    await eventually(async () => assert.equal(await statusAt(path, '/v2/'), 200));
    server.signal('SIGTERM');
    assert.equal(await server.ended, 0);
    assert.ok((await lstat(path)).isSocket());
  });

  test('two sockets are a fault at the start', async (t) => {
    const { fd } = await handedOver(t, undefined);
    const server = await spawnObserved(t, { fd, under, env: { LISTEN_FDS: '2' } });
    assert.equal(await server.ended, 1);
    assert.match(server.stderr(), /^registry: systemd hands over 2 sockets/m);
  });
});
