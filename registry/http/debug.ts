/**
 * The debug server, on a port of its own: `/debug/health`, `/debug/vars` and metrics as Distribution has them, `/livez` and
 * `/readyz` for a kubelet's probes, and profiles. It answers without authentication, so it shows nothing of content and no
 * secrets.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { Logger } from '../log.ts';
import type { Metrics } from '../metrics.ts';
import { type DebugAnswer, type DebugPage, json, text } from './debug-page.ts';
import { profilePages } from './debug-profiles.ts';

/** Why traffic should go elsewhere; `undefined` when it may come. */
export type Unready = 'starting' | 'draining' | undefined;

export interface DebugDependencies {
  /** Reasons by the name of the failing check; `undefined` while all is well. Asked on every request, so it must cost nothing. */
  readonly failing: () => Readonly<Record<string, string>> | undefined;
  readonly unready: () => Unready;
  /** What `/debug/vars` shows; without secrets. */
  readonly vars: () => object;
  readonly metrics: Pick<Metrics, 'text'>;
  readonly prometheus: { readonly enabled: boolean; readonly path: string };
  readonly log: Logger;
}

/** Nobody has a reason to be slow here. */
const TIMEOUT_MS = 10_000;
/** Milliseconds without progress after which the reader of a long answer is given up. */
const STALLED_MS = 30_000;

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

function pagesOf({ failing, unready, vars, metrics, prometheus }: DebugDependencies): ReadonlyMap<string, DebugPage> {
  const pages = new Map<string, DebugPage>([
    ['/debug/health', () => json(failing() === undefined ? 200 : 503, failing() ?? {})],
    ['/debug/vars', () => json(200, vars())],
    // That the process answers is all there is to it: a restart cures no disk.
    ['/livez', () => text(200, 'ok\n')],
    ['/readyz', () => readiness(failing(), unready())],
    ...profilePages(),
  ]);
  if (prometheus.enabled) {
    pages.set(prometheus.path, async () => {
      const { contentType, body } = await metrics.text();
      return { status: 200, type: contentType, body };
    });
  }
  return pages;
}

function readiness(failing: Readonly<Record<string, string>> | undefined, reason: Unready): DebugAnswer {
  const reasons = Object.entries(failing ?? {}).map(([name, reason]) => `${name}: ${reason}\n`);
  if (reason !== undefined) reasons.unshift(`${reason}\n`);
  return reasons.length === 0 ? text(200, 'ok\n') : text(503, reasons.join(''));
}

async function reply(
  request: IncomingMessage,
  response: ServerResponse,
  pages: ReadonlyMap<string, DebugPage>,
  log: Logger,
): Promise<void> {
  const [path = '/', query = ''] = (request.url ?? '/').split('?', 2);
  const gone = new AbortController();
  response.once('close', () => gone.abort());
  try {
    const answer = await answerOf(request, pages.get(path), { query, signal: gone.signal }).catch((error: unknown) => {
      if (!gone.signal.aborted) log.error({ err: error, path }, 'debug page failed');
      return text(500, 'internal error, see the log\n');
    });
    await send(request, response, answer);
  } catch {
    response.destroy(); // the client went away, or does not read
  }
}

async function answerOf(
  { method, headers, socket }: IncomingMessage,
  page: DebugPage | undefined,
  { query, signal }: { readonly query: string; readonly signal: AbortSignal },
): Promise<DebugAnswer> {
  if (page === undefined) return text(404, 'not found\n');
  if (method !== 'GET' && method !== 'HEAD') {
    return { ...text(405, 'method not allowed\n'), headers: { Allow: 'GET, HEAD' } };
  }
  const isForwarded = headers['x-forwarded-for'] !== undefined || headers.forwarded !== undefined;
  const isLocal = !isForwarded && /^(::1$|(::ffff:)?127\.)/.test(socket.remoteAddress ?? '');
  return page({ query: new URLSearchParams(query), isLocal, signal });
}

async function send(request: IncomingMessage, response: ServerResponse, answer: DebugAnswer): Promise<void> {
  const body = typeof answer.body === 'string' ? [Buffer.from(answer.body)] : answer.body;
  response.writeHead(answer.status, {
    'Content-Type': answer.type,
    'Content-Length': body.reduce((sum, piece) => sum + piece.length, 0),
    'Cache-Control': 'no-store',
    'X-Content-Type-Options': 'nosniff',
    ...answer.headers,
  });
  response.setTimeout(STALLED_MS, () => response.destroy());
  if (request.method === 'HEAD') response.end();
  else if (body.length === 1) response.end(body[0]);
  else await pipeline(Readable.from(body), response);
}
