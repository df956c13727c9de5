import { createHash } from 'node:crypto';
import http from 'node:http';
import https from 'node:https';

/**
 * One HTTP exchange exactly as asked: the framing of the body, the lines of a header and the spelling of a URL are what
 * the caller says, because registries differ in just these. Nothing is decoded, no redirect is followed here.
 */
export interface Outgoing {
  readonly method: string;
  /** Absolute; its path and query are sent as they stand, neither normalised nor encoded. */
  readonly url: string;
  /** A list is sent as several header lines of that name. */
  readonly headers?: Readonly<Record<string, string | readonly string[]>>;
  readonly body?: Buffer | undefined;
  /** `length` sends Content-Length; `chunked` sends Transfer-Encoding and no length, also for an empty body. */
  readonly framing?: 'length' | 'chunked';
}

export interface Answer {
  readonly request: Outgoing;
  readonly status: number;
  /** Header lines in the order and spelling of the wire. */
  readonly lines: readonly (readonly [name: string, value: string])[];
  readonly body: Buffer;
  /** The value of a header; several lines are joined by a comma; `undefined` when it is absent. */
  header(name: string): string | undefined;
}

export interface Transport {
  exchange(request: Outgoing): Promise<Answer>;
  close(): void;
}

/** A request that got no answer. */
export class NoAnswer extends Error {}

const deadline = 60_000;

export function createTransport(): Transport {
  const plain = new http.Agent({ keepAlive: true, maxSockets: 32 });
  const secure = new https.Agent({ keepAlive: true, maxSockets: 32 });

  /** `retried`: a pooled connection that the server closed while it was idle says nothing about the request. */
  const exchange = (request: Outgoing, retried: boolean): Promise<Answer> =>
    new Promise((resolve, reject) => {
      const { origin, target } = splitUrl(request.url);
      const secured = origin.protocol === 'https:';
      const outgoing = (secured ? https : http).request({
        agent: secured ? secure : plain,
        hostname: origin.hostname.replace(/^\[(.*)\]$/, '$1'),
        port: origin.port,
        path: target,
        method: request.method,
        headers: headersOf(request),
        signal: AbortSignal.timeout(deadline),
      });
      let answered = false;
      outgoing.on('response', (incoming) => {
        answered = true;
        const parts: Buffer[] = [];
        incoming.on('data', (part: Buffer) => parts.push(part));
        incoming.on('error', (cause) => reject(noAnswer(request, 'broke off its answer', cause)));
        incoming.on('end', () => resolve(answerOf(request, incoming, Buffer.concat(parts))));
      });
      outgoing.on('error', (cause: NodeJS.ErrnoException) => {
        // A server may answer before it has read the whole body; what the socket says after that is of no interest.
        if (answered) return;
        if (!retried && outgoing.reusedSocket && (cause.code === 'ECONNRESET' || cause.code === 'EPIPE')) {
          resolve(exchange(request, true));
        } else {
          reject(noAnswer(request, 'gave no answer', cause));
        }
      });
      outgoing.end(request.body);
    });

  return {
    exchange: (request) => exchange(request, false),
    close() {
      plain.destroy();
      secure.destroy();
    },
  };
}

function splitUrl(url: string): { origin: URL; target: string } {
  const [, origin = '', target = ''] = /^(https?:\/\/[^/?#]+)(.*)$/s.exec(url) ?? [];
  return { origin: new URL(origin), target: target === '' ? '/' : target };
}

function headersOf(request: Outgoing): http.OutgoingHttpHeaders {
  const headers: http.OutgoingHttpHeaders = { 'user-agent': 'berth-conformance', 'accept-encoding': 'gzip' };
  for (const [name, value] of Object.entries(request.headers ?? {})) {
    headers[name] = typeof value === 'string' ? value : [...value];
  }
  if (request.framing === 'chunked') headers['transfer-encoding'] = 'chunked';
  else if (request.body !== undefined) headers['content-length'] = request.body.length;
  else if (request.method !== 'GET' && request.method !== 'HEAD') headers['content-length'] = 0;
  return headers;
}

function answerOf(request: Outgoing, incoming: http.IncomingMessage, body: Buffer): Answer {
  const lines: [string, string][] = [];
  for (let at = 0; at + 1 < incoming.rawHeaders.length; at += 2) {
    lines.push([incoming.rawHeaders[at] ?? '', incoming.rawHeaders[at + 1] ?? '']);
  }
  return {
    request,
    status: incoming.statusCode ?? 0,
    lines,
    body,
    header(name) {
      const values = lines.filter(([key]) => key.toLowerCase() === name.toLowerCase()).map(([, value]) => value);
      return values.length === 0 ? undefined : values.join(', ');
    },
  };
}

function noAnswer(request: Outgoing, what: string, cause: NodeJS.ErrnoException): NoAnswer {
  const reason = cause.name === 'TimeoutError' ? `nothing within ${deadline / 1000} s` : (cause.code ?? cause.message);
  return new NoAnswer(`${request.method} ${request.url}: the server ${what} (${reason})`, { cause });
}

/** `<algorithm>:<lower-case hex>` of the bytes. */
export function digestOf(bytes: Buffer, algorithm = 'sha256'): string {
  return `${algorithm}:${createHash(algorithm).update(bytes).digest('hex')}`;
}

/** Puts parameters behind whatever query the URL has, values percent-encoded, as registry clients do. */
export function appendQuery(url: string, parameters: Readonly<Record<string, string>>): string {
  const encoded = Object.entries(parameters).map(([key, value]) => `${key}=${encodeURIComponent(value)}`);
  return `${url}${url.includes('?') ? '&' : '?'}${encoded.join('&')}`;
}

/**
 * The URL as a client writes it that parses the query into a map: keys sorted, values decoded and encoded again. Tokens
 * survive this only if they are URL-safe.
 */
export function rewriteQuery(url: string): string {
  const at = url.indexOf('?');
  if (at < 0) return url;
  const query = new URLSearchParams(url.slice(at + 1));
  query.sort();
  return `${url.slice(0, at)}?${query.toString()}`;
}
