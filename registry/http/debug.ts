/**
 * The debug server, on a port of its own: `/debug/health` as Distribution has it, `/livez` and `/readyz` for a kubelet's
 * probes, and metrics. It answers without authentication and shows nothing of content or configuration.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Logger } from '../log.ts';
import type { Metrics } from '../metrics.ts';

/** Whether traffic may come. */
export interface ReadyState {
  /** The process has been asked to end: load balancers should look elsewhere. */
  readonly draining: boolean;
}

export interface DebugDependencies {
  /** Reasons by the name of the failing check; `undefined` while all is well. Asked on every request, so it must cost nothing. */
  readonly health: { failing(): Readonly<Record<string, string>> | undefined };
  readonly ready: () => ReadyState;
  readonly metrics: Pick<Metrics, 'text'>;
  readonly prometheus: { readonly enabled: boolean; readonly path: string };
  readonly log: Logger;
}

export interface DebugServer {
  /** `host:port` or `:port`. Resolves with the address as bound; rejects with a sentence for people. */
  listen(addr: string): Promise<string>;
  /** Ends at once, with whatever is under way: nothing here is worth waiting for. */
  close(): Promise<void>;
}

interface Answer {
  readonly status: number;
  readonly type: string;
  readonly body: string;
}

type Page = () => Answer | Promise<Answer>;

/** Nobody has a reason to be slow here. */
const TIMEOUT_MS = 10_000;

export function createDebugServer(dependencies: DebugDependencies): DebugServer {
  const pages = pagesOf(dependencies);
  const server = createServer(
    { requestTimeout: TIMEOUT_MS, headersTimeout: TIMEOUT_MS, keepAliveTimeout: TIMEOUT_MS },
    (request, response) => {
      // Nothing here takes a body; what comes is read past, so that it can't hold the connection.
      request.resume();
      void reply(request, response, pages, dependencies.log);
    },
  );
  return {
    listen: (addr) => bind(server, addr),
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

async function bind(server: Server, addr: string): Promise<string> {
  const colon = addr.lastIndexOf(':');
  const host = addr.slice(0, Math.max(0, colon)).replace(/^\[(.*)\]$/, '$1');
  const port = Number(addr.slice(colon + 1));
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error) => {
      reject(new Error(`cannot listen on http.debug.addr ${addr}: ${error.message}`, { cause: error }));
    });
    server.listen(host === '' ? { port } : { host, port }, resolve);
  });
  const bound = server.address();
  if (bound === null || typeof bound === 'string') return addr;
  return bound.family === 'IPv6' ? `[${bound.address}]:${bound.port}` : `${bound.address}:${bound.port}`;
}

function pagesOf({ health, ready, metrics, prometheus }: DebugDependencies): ReadonlyMap<string, Page> {
  const pages = new Map<string, Page>([
    ['/debug/health', () => json(health.failing() === undefined ? 200 : 503, health.failing() ?? {})],
    // That the process answers is all there is to it: a restart cures no disk.
    ['/livez', () => text(200, 'ok\n')],
    ['/readyz', () => readiness(health.failing(), ready())],
  ]);
  if (prometheus.enabled) {
    pages.set(prometheus.path, async () => {
      const { contentType, body } = await metrics.text();
      return { status: 200, type: contentType, body };
    });
  }
  return pages;
}

function readiness(failing: Readonly<Record<string, string>> | undefined, state: ReadyState): Answer {
  const reasons = Object.entries(failing ?? {}).map(([name, reason]) => `${name}: ${reason}\n`);
  if (state.draining) reasons.unshift('draining\n');
  return reasons.length === 0 ? text(200, 'ok\n') : text(503, reasons.join(''));
}

const json = (status: number, value: object): Answer => ({
  status,
  type: 'application/json',
  body: `${JSON.stringify(value)}\n`,
});

const text = (status: number, body: string): Answer => ({ status, type: 'text/plain; charset=utf-8', body });

async function reply(
  request: IncomingMessage,
  response: ServerResponse,
  pages: ReadonlyMap<string, Page>,
  log: Logger,
): Promise<void> {
  const [path = '/'] = (request.url ?? '/').split('?', 1);
  const page = pages.get(path);
  let answer: Answer;
  if (page === undefined) answer = text(404, 'not found\n');
  else if (request.method !== 'GET' && request.method !== 'HEAD') {
    response.setHeader('Allow', 'GET, HEAD');
    answer = text(405, 'method not allowed\n');
  } else {
    try {
      answer = await page();
    } catch (error) {
      log.error({ err: error, path }, 'debug page failed');
      answer = text(500, 'internal error, see the log\n');
    }
  }
  const body = Buffer.from(answer.body);
  response.writeHead(answer.status, {
    'Content-Type': answer.type,
    'Content-Length': body.length,
    'Cache-Control': 'no-store',
    'X-Content-Type-Options': 'nosniff',
  });
  // For HEAD, Node leaves the body out by itself.
  response.end(body);
}
