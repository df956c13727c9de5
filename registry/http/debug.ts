/**
 * The debug server, on a port of its own: `/debug/health` as Distribution has it, `/livez` and `/readyz` for a kubelet's
 * probes, and metrics. It answers without authentication and shows nothing of content or configuration.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Logger } from '../log.ts';
import type { Metrics } from '../metrics.ts';

/** Why traffic should go elsewhere; `undefined` when it may come. */
export type Unready = 'starting' | 'draining' | undefined;

export interface DebugDependencies {
  /** Reasons by the name of the failing check; `undefined` while all is well. Asked on every request, so it must cost nothing. */
  readonly failing: () => Readonly<Record<string, string>> | undefined;
  readonly unready: () => Unready;
  readonly metrics: Pick<Metrics, 'text'>;
  readonly prometheus: { readonly enabled: boolean; readonly path: string };
  readonly log: Logger;
}

interface Answer {
  readonly status: number;
  readonly type: string;
  readonly body: string;
}

type Page = () => Answer | Promise<Answer>;

/** Nobody has a reason to be slow here. */
const TIMEOUT_MS = 10_000;

/** The server, not yet listening. To end it: `close`, then `closeAllConnections`; nothing here is worth waiting for. */
export function createDebugServer(dependencies: DebugDependencies): Server {
  const pages = pagesOf(dependencies);
  return createServer(
    { requestTimeout: TIMEOUT_MS, headersTimeout: TIMEOUT_MS, keepAliveTimeout: TIMEOUT_MS },
    (request, response) => {
      // Nothing here takes a body; what comes is read past, so that it can't hold the connection.
      request.resume();
      void reply(request, response, pages, dependencies.log);
    },
  );
}

function pagesOf({ failing, unready, metrics, prometheus }: DebugDependencies): ReadonlyMap<string, Page> {
  const pages = new Map<string, Page>([
    ['/debug/health', () => json(failing() === undefined ? 200 : 503, failing() ?? {})],
    // That the process answers is all there is to it: a restart cures no disk.
    ['/livez', () => text(200, 'ok\n')],
    ['/readyz', () => readiness(failing(), unready())],
  ]);
  if (prometheus.enabled) {
    pages.set(prometheus.path, async () => {
      const { contentType, body } = await metrics.text();
      return { status: 200, type: contentType, body };
    });
  }
  return pages;
}

function readiness(failing: Readonly<Record<string, string>> | undefined, reason: Unready): Answer {
  const reasons = Object.entries(failing ?? {}).map(([name, reason]) => `${name}: ${reason}\n`);
  if (reason !== undefined) reasons.unshift(`${reason}\n`);
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
