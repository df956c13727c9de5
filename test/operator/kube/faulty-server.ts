import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { createClient } from '../../../operator/kube/client.ts';
import type { Credentials } from '../../../operator/kube/credentials.ts';
import { createTransport, type Exchange } from '../../../operator/kube/transport.ts';

/** One request as the server saw it. */
export interface Seen {
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
  readonly headers: IncomingMessage['headers'];
  readonly watch: boolean;
  readonly at: number;
}

export type Handler = (seen: Seen, response: ServerResponse, body: string) => unknown;

/**
 * An HTTP server that plays the faults which a real API server cannot be brought to: torn events, silence, refusals on demand. Everything that
 * a real one does is tested on a real one.
 */
export async function faultyServer(t: TestContext, handler: Handler) {
  const seen: Seen[] = [];
  const server = createServer(async (request, response) => {
    const url = new URL(request.url ?? '/', 'http://server');
    const one = {
      method: request.method ?? '',
      path: url.pathname,
      query: url.searchParams,
      headers: request.headers,
      watch: url.searchParams.get('watch') === 'true',
      at: performance.now(),
    };
    seen.push(one);
    let body = '';
    for await (const chunk of request) body += chunk;
    handler(one, response, body);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const exchanges: Exchange[] = [];
  let refreshes = 0;
  const credentials: Credentials = {
    source: 'test',
    access: async () => ({
      origin,
      prefix: '',
      tls: {},
      headers: { authorization: `Bearer token-${refreshes}` },
      id: 'same',
    }),
    refresh: () => {
      refreshes++;
    },
  };
  const wait = async (ms: number, signal: AbortSignal) => {
    await sleep(ms, undefined, { signal });
  };
  const transport = createTransport({
    credentials,
    userAgent: 'test',
    onExchange: (one) => exchanges.push(one),
    sleep: wait,
  });
  t.after(async () => {
    await transport.close();
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  return { seen, exchanges, transport, client: createClient(transport, 'tester'), sleep: wait, server };
}

export function json(
  response: ServerResponse,
  status: number,
  body: unknown,
  headers: Record<string, string> = {},
): void {
  response.writeHead(status, { 'content-type': 'application/json', ...headers });
  response.end(JSON.stringify(body));
}

export function failure(
  response: ServerResponse,
  code: number,
  reason: string,
  headers: Record<string, string> = {},
): void {
  json(
    response,
    code,
    { kind: 'Status', status: 'Failure', code, reason, message: `${reason} as the test wants` },
    headers,
  );
}

export function object(name: string, resourceVersion: string) {
  return { metadata: { namespace: 'ns', name, uid: `uid-${name}`, resourceVersion } };
}

export function list(resourceVersion: string, names: Record<string, string>, next?: string) {
  const items = Object.entries(names).map(([name, version]) => object(name, version));
  return { kind: 'List', metadata: { resourceVersion, ...(next === undefined ? {} : { continue: next }) }, items };
}

export function event(type: string, name: string, resourceVersion: string): string {
  return `${JSON.stringify({ type, object: object(name, resourceVersion) })}\n`;
}
