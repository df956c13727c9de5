import type { Dispatcher } from 'undici';
import request from 'undici/lib/api/api-request.js';
import Pool from 'undici/lib/dispatcher/pool.js';
import { isOperatorError, OperatorError } from '../error.ts';
import type { Access, Credentials } from './credentials.ts';
import { fromStatus } from './errors.ts';

/** One call to the API server. */
export interface Call {
  /** The request as a person would name it, for error messages: `apply Secret team/reg-config`. */
  what: string;
  method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  path: string;
  query?: Readonly<Record<string, string>>;
  body?: unknown;
  contentType?: string;
  accept?: string;
  /** Milliseconds for everything: waiting for a connection, 429s slept through, the whole answer. */
  deadlineMs: number;
  signal: AbortSignal;
}

/** One finished HTTP exchange, for `rest_client_requests_total` and for tests. */
export interface Exchange {
  method: string;
  /** The HTTP status, or `<error>` when no answer came. */
  code: string;
  /** Host and port. */
  host: string;
}

export interface Transport {
  /** Sends one request and parses the JSON answer. Every failure is an OperatorError. */
  json(call: Call): Promise<unknown>;
  /**
   * Sends one request and hands over the body as it arrives. `deadlineMs` bounds the wait for the headers; `idleMs` is how long the body may
   * be silent before it fails with `deadline`.
   */
  stream(call: Call, idleMs: number): Promise<AsyncIterable<Buffer>>;
  /** Ends every connection. Calls under way fail with `aborted`. */
  close(): Promise<void>;
}

export interface TransportOptions {
  credentials: Credentials;
  userAgent: string;
  onExchange?: (exchange: Exchange) => void;
  /** Resolves after `ms`, rejects when the signal fires. */
  sleep: (ms: number, signal: AbortSignal) => Promise<void>;
}

/** Tries of one request that the server refused to look at (429, or 503 with Retry-After), the first included. */
const tries = 5;
/** Largest answer that is read into memory: a page of a list. */
const maxAnswer = 128 * 1024 * 1024;

/**
 * JSON over HTTP on one pool of connections per API server. A 401 makes the credentials be read again, once; 429 and a 503 that
 * names a time are slept through within the deadline.
 */
export function createTransport(options: TransportOptions): Transport {
  const { credentials, userAgent, onExchange, sleep } = options;
  const closed = new AbortController();
  let pool: { id: string; dispatcher: Promise<Dispatcher> } | undefined;

  function dispatcherFor(access: Access): Promise<Dispatcher> {
    if (pool?.id !== access.id) {
      // The old pool lets running requests end: a watch goes over to the new one at its next start.
      pool?.dispatcher.then((old) => old.close()).catch(() => {});
      pool = { id: access.id, dispatcher: connect(access) };
    }
    return pool.dispatcher;
  }

  async function send(call: Call, signal: AbortSignal, idleMs: number): Promise<Dispatcher.ResponseData> {
    const access = await credentials.access();
    const host = new URL(access.origin).host;
    const query = call.query === undefined ? '' : `?${new URLSearchParams(call.query)}`;
    try {
      const dispatcher = await dispatcherFor(access);
      const answer = await request.call(dispatcher, {
        origin: access.origin,
        method: call.method,
        path: `${access.prefix}${call.path}${query}`,
        headers: {
          accept: call.accept ?? 'application/json',
          'user-agent': userAgent,
          ...access.headers,
          ...(call.body === undefined ? {} : { 'content-type': call.contentType ?? 'application/json' }),
        },
        ...(call.body === undefined ? {} : { body: JSON.stringify(call.body) }),
        signal,
        headersTimeout: call.deadlineMs,
        bodyTimeout: idleMs,
      });
      onExchange?.({ method: call.method, code: String(answer.statusCode), host });
      return answer;
    } catch (cause) {
      onExchange?.({ method: call.method, code: '<error>', host });
      throw failure(call, access.origin, cause);
    }
  }

  /** The first answer that is neither a refused credential nor a request to come back later. */
  async function ask(call: Call, signal: AbortSignal, idleMs: number): Promise<Dispatcher.ResponseData> {
    let renewed = false;
    for (let attempt = 1; ; attempt++) {
      const answer = await send(call, signal, idleMs);
      if (answer.statusCode < 300) return answer;
      const retryAfterMs = retryAfter(answer.headers['retry-after']);
      const body = await parsed(call, answer).catch(() => undefined);
      const error = fromStatus(call.what, answer.statusCode, body, retryAfterMs);
      if (error.code === 'unauthorized' && !renewed) {
        renewed = true;
        credentials.refresh();
      } else if (attempt < tries && isRefusedForNow(error)) {
        await sleep(error.retryAfterMs ?? 1000, signal).catch(() => {
          throw error;
        });
      } else {
        throw error;
      }
    }
  }

  function bounded(call: Call): { signal: AbortSignal; deadline: AbortSignal } {
    const deadline = AbortSignal.timeout(call.deadlineMs);
    return { deadline, signal: AbortSignal.any([call.signal, closed.signal, deadline]) };
  }

  function explained(call: Call, deadline: AbortSignal, error: unknown): unknown {
    if (!call.signal.aborted && deadline.aborted && isOperatorError(error, 'aborted')) {
      return new OperatorError(
        'deadline',
        `${call.what}: no answer from the API server within ${call.deadlineMs / 1000} s`,
      );
    }
    return error;
  }

  return {
    async json(call) {
      const { signal, deadline } = bounded(call);
      try {
        return await parsed(call, await ask(call, signal, call.deadlineMs));
      } catch (error) {
        throw explained(call, deadline, error);
      }
    },
    async stream(call, idleMs) {
      // The deadline is for the headers only: a watch goes on for minutes.
      const headers = new AbortController();
      const timer = setTimeout(() => headers.abort(), call.deadlineMs);
      const signal = AbortSignal.any([call.signal, closed.signal, headers.signal]);
      try {
        return guarded(call, (await ask(call, signal, idleMs)).body);
      } catch (error) {
        throw explained(call, headers.signal, error);
      } finally {
        clearTimeout(timer);
      }
    },
    async close() {
      closed.abort();
      await (await pool?.dispatcher)?.destroy();
    },
  };
}

async function connect(access: Access): Promise<Dispatcher> {
  // HTTP/1.1: each watch has a connection of its own, so that none can hold up the others.
  const common = { allowH2: false, keepAliveTimeout: 60_000 };
  if (access.proxy !== undefined) {
    const { default: ProxyAgent } = await import('undici/lib/dispatcher/proxy-agent.js');
    return new ProxyAgent({ ...common, uri: access.proxy, requestTls: access.tls });
  }
  return new Pool(access.origin, {
    ...common,
    connect: { ...access.tls, keepAliveInitialDelay: 30_000, timeout: 10_000 },
  });
}

/** Reads an answer whole. The signal of the request also ends this read. */
async function parsed(call: Call, answer: Dispatcher.ResponseData): Promise<unknown> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of guarded(call, answer.body)) {
    size += chunk.length;
    if (size > maxAnswer)
      throw new OperatorError('malformed', `${call.what}: the answer is larger than ${maxAnswer} bytes`);
    chunks.push(chunk);
  }
  try {
    return JSON.parse(Buffer.concat(chunks).toString('utf8'));
  } catch (cause) {
    throw new OperatorError('malformed', `${call.what}: the answer is not JSON`, { cause });
  }
}

async function* guarded(call: Call, body: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  try {
    yield* body;
  } catch (cause) {
    throw failure(call, 'the API server', cause);
  }
}

function failure(call: Call, server: string, cause: unknown): OperatorError {
  if (cause instanceof OperatorError) return cause;
  const { name, code, message } = cause as { name?: string; code?: string; message?: string };
  if (name === 'AbortError' || name === 'TimeoutError' || code === 'UND_ERR_ABORTED' || code === 'UND_ERR_DESTROYED') {
    return new OperatorError('aborted', `${call.what}: given up`, { cause });
  }
  if (code === 'UND_ERR_BODY_TIMEOUT' || code === 'UND_ERR_HEADERS_TIMEOUT') {
    return new OperatorError('deadline', `${call.what}: ${server} fell silent`, { cause });
  }
  return new OperatorError(
    'unreachable',
    `${call.what}: cannot talk to ${server}: ${message || code || 'connection failed'}`,
    { cause },
  );
}

function isRefusedForNow(error: OperatorError): boolean {
  return error.code === 'throttled' || (error.status === 503 && error.retryAfterMs !== undefined);
}

/** Retry-After in milliseconds; the API server sends seconds (RFC 9110 §10.2.3 would also allow a date). */
function retryAfter(header: string | string[] | undefined): number | undefined {
  const seconds = typeof header === 'string' ? Number(header) : Number.NaN;
  return Number.isFinite(seconds) && seconds >= 0 ? Math.min(seconds, 300) * 1000 : undefined;
}
