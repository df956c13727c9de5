import { type ChildProcess, spawn } from 'node:child_process';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { Agent as SecureAgent, request as secureRequest } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import type { ApiServer } from '../support/apiserver.ts';

/** A request that went through. */
export interface Passed {
  readonly method: string;
  readonly url: string;
  readonly watch: boolean;
}

/** What happens to a request before it goes on, or to its answer: `cut` ends the connection without an answer. */
export type Meddle = (request: Passed, response: ServerResponse) => 'pass' | 'answered' | 'cut' | 'cut the answer';

/**
 * Plain HTTP in front of the API server: it counts what the operator sends, and can refuse, cut and hide. Tokens pass through, so that
 * the operator has no more rights than its own.
 */
export interface ApiProxy {
  readonly url: string;
  /** In the order of their arrival. */
  readonly passed: Passed[];
  /** The requests that change something. */
  writes(): Passed[];
  meddle: Meddle | undefined;
  /** Ends every connection and takes no new one, until it goes on. */
  disconnect(): Promise<void>;
  reconnect(): Promise<void>;
  close(): Promise<void>;
}

export async function startProxy(server: ApiServer): Promise<ApiProxy> {
  const upstream = new URL(server.url);
  const agent = new SecureAgent({ keepAlive: true, ca: server.admin.ca });
  const passed: Passed[] = [];
  const sockets = new Set<Socket>();
  const proxy: { meddle: Meddle | undefined } = { meddle: undefined };
  const listener = createServer((request: IncomingMessage, response: ServerResponse) => {
    const { method = '', url = '' } = request;
    const one = { method, url, watch: url.includes('watch=true') };
    passed.push(one);
    const fate = proxy.meddle?.(one, response) ?? 'pass';
    if (fate === 'answered') {
      request.resume();
      return;
    }
    if (fate === 'cut') {
      request.socket.destroy();
      return;
    }
    const { host: _, ...headers } = request.headers;
    const sent = secureRequest(
      { agent, host: upstream.hostname, port: upstream.port, method, path: url, headers },
      (answer) => {
        if (fate === 'cut the answer') {
          answer.resume();
          answer.on('end', () => request.socket.destroy());
          return;
        }
        response.writeHead(answer.statusCode ?? 502, answer.headers);
        response.flushHeaders();
        answer.on('error', () => request.socket.destroy());
        answer.pipe(response);
      },
    );
    sent.on('error', () => request.socket.destroy());
    response.on('close', () => sent.destroy());
    request.pipe(sent);
  });
  listener.on('connection', (socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    socket.on('error', () => {});
  });
  const listen = (port: number) => new Promise<void>((resolve) => listener.listen(port, '127.0.0.1', resolve));
  await listen(0);
  const { port } = listener.address() as AddressInfo;
  const disconnect = async () => {
    const closed = new Promise((resolve) => listener.close(resolve));
    for (const socket of sockets) socket.destroy();
    await closed;
  };
  return {
    url: `http://127.0.0.1:${port}`,
    passed,
    writes: () => passed.filter(({ method }) => method !== 'GET'),
    get meddle() {
      return proxy.meddle;
    },
    set meddle(meddle) {
      proxy.meddle = meddle;
    },
    disconnect,
    reconnect: () => listen(port),
    async close() {
      if (listener.listening) await disconnect();
      agent.destroy();
    },
  };
}

/** An operator that a test runs, as `bin/operator run`. */
export interface Operator {
  /** What it wrote to its log so far, JSON lines. */
  log(): string;
  /** `host:port` of its probes; resolves when they are served. */
  readonly probes: Promise<string>;
  /** Resolves with exit code or signal. */
  readonly ended: Promise<number | NodeJS.Signals | null>;
  signal(name: NodeJS.Signals): void;
  /** SIGKILL, and waits. */
  kill(): Promise<void>;
}

export function startOperator(
  kubeconfig: string,
  args: readonly string[] = [],
  env: Record<string, string> = {},
): Operator {
  const program = new URL('../../bin/operator', import.meta.url).pathname;
  const child: ChildProcess = spawn(
    'setpriv',
    ['--pdeathsig', 'KILL', program, 'run', '--kubeconfig', kubeconfig, '--probe-addr', '127.0.0.1:0', ...args],
    { stdio: ['ignore', 'ignore', 'pipe'], env: { PATH: process.env['PATH'] ?? '', BERTH_LOG_LEVEL: 'debug', ...env } },
  );
  let text = '';
  const { promise: probes, resolve } = Promise.withResolvers<string>();
  child.stderr?.setEncoding('utf8').on('data', (chunk: string) => {
    text += chunk;
    const address = /"address":"([^"]+)"/.exec(text)?.[1];
    if (address !== undefined) resolve(address);
  });
  const ended = new Promise<number | NodeJS.Signals | null>((done) => {
    child.on('close', (code, signal) => done(code ?? signal));
    child.on('error', () => done(null));
  });
  return {
    log: () => text,
    probes,
    ended,
    signal: (name) => child.kill(name),
    async kill() {
      child.kill('SIGKILL');
      await ended;
    },
  };
}
