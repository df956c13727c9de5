import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { rm, stat } from 'node:fs/promises';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

/**
 * Reaching into the node's network from outside. A Unix socket is a file, so it crosses network namespaces: a process
 * inside listens on one and connects on to the target; outside, a loopback port leads to the socket.
 *
 * As a program, this file is what runs on either side:
 *
 *   node node-forward.ts inside SOCKET HOST PORT
 *   node node-forward.ts outside SOCKET PORT INIT     ends when process INIT, the node's first, is gone
 */
export interface Forward {
  /** `127.0.0.1:PORT` */
  readonly address: string;
  close(): Promise<void>;
}

/** Where a forward leads and how to get inside. */
export interface ForwardOptions {
  /** `HOST:PORT` as seen from the node. */
  target: string;
  /** The node's folder, which both sides see. */
  folder: string;
  /** Makes of a command the command line that runs it inside the node. */
  line: (command: readonly string[]) => string[];
}

/** Opens a loopback port that leads to a target in the node's network, as long as this process lives. */
export async function forwardInto(options: ForwardOptions): Promise<Forward> {
  const { socket, listener } = await listenInside(options);
  const open = new Set<Socket>();
  const server = createServer((incoming) => {
    open.add(incoming);
    incoming.on('close', () => open.delete(incoming));
    link(incoming, connect(socket));
  });
  await listen(server, 0);
  return {
    address: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: async () => {
      for (const incoming of open) incoming.destroy();
      await new Promise((resolve) => server.close(resolve));
      listener.kill('SIGKILL');
    },
  };
}

/** The same by processes that stay until the node is gone, on a port that the caller chose. */
export async function leaveForward(options: ForwardOptions, port: number, init: number): Promise<void> {
  const { socket } = await listenInside(options);
  const args = [import.meta.filename, 'outside', socket, String(port), String(init)];
  spawn(process.execPath, args, { detached: true, stdio: 'ignore' }).unref();
}

async function listenInside(options: ForwardOptions): Promise<{ socket: string; listener: ChildProcess }> {
  const socket = join(options.folder, `forward-${options.target.replace(/[^\w.]/g, '-')}.sock`);
  const colon = options.target.lastIndexOf(':');
  const to = [options.target.slice(0, colon), options.target.slice(colon + 1)];
  const line = options.line([process.execPath, import.meta.filename, 'inside', socket, ...to]);
  await rm(socket, { force: true });
  const [program = '', ...args] = line;
  const listener = spawn(program, args, { detached: true, stdio: 'ignore' });
  listener.unref();
  for (const end = performance.now() + 20_000; ; await sleep(20)) {
    const there = await stat(socket).catch(() => undefined);
    if (there) return { socket, listener };
    if (listener.exitCode !== null || performance.now() > end)
      throw new Error(`cannot reach into the node: ${line.join(' ')}`);
  }
}

/** Joins two connections: what either side sends, ends or breaks reaches the other. */
function link(one: Socket, other: Socket): void {
  for (const [from, to] of [
    [one, other],
    [other, one],
  ] as const) {
    from.pipe(to);
    from.on('error', () => to.destroy());
    from.on('close', () => to.destroy());
  }
}

async function listen(server: Server, at: number | string): Promise<void> {
  if (typeof at === 'string') server.listen(at);
  else server.listen(at, '127.0.0.1');
  await once(server, 'listening');
}

if (import.meta.main) {
  const [side, socket = '', ...rest] = process.argv.slice(2);
  if (side === 'inside') {
    const [host = '', port = ''] = rest;
    await listen(
      createServer((incoming) => link(incoming, connect(Number(port), host))),
      socket,
    );
  } else {
    const [port = '', init = ''] = rest;
    await listen(
      createServer((incoming) => link(incoming, connect(socket))),
      Number(port),
    );
    while (await stat(`/proc/${init}`).catch(() => undefined)) await sleep(1000);
    process.exit(0);
  }
}
