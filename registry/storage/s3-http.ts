/** The SDK's way to the network: connections for calls, and others for objects that are handed on as streams. */
import http from 'node:http';
import https from 'node:https';
import { Readable } from 'node:stream';
import { NodeHttpHandler } from '@smithy/node-http-handler';
import { createDirectClient } from './direct-client.ts';
import type { DirectBody } from './direct-connection.ts';

export interface HttpHandlerOptions {
  /** Milliseconds to connect. */
  readonly connect: number;
  /** Milliseconds without a byte of an object while it is wanted. */
  readonly silence: number;
  /** Milliseconds without a byte after which any connection is ended. */
  readonly longest: number;
  readonly skipverify: boolean;
}

/** Connections for calls to one host: parts, copies and listings of many requests share them. */
const SOCKETS = 256;
/** Bytes buffered ahead of a reader that takes an object as a stream. */
const AHEAD = 512 * 1024;

/** What `client.send` takes beside the command, so that the object's bytes can be had by `directOf`. */
export const direct = { direct: true } as const;

const bodies = new WeakMap<Readable, DirectBody>();

/** The bytes of a stream that nobody has read from, without the stream. `undefined`: they can be had by that only. */
export const directOf = (stream: Readable): DirectBody | undefined => bodies.get(stream);

type Handle = NodeHttpHandler['handle'];

/**
 * An object that is being read holds its connection as long as its reader takes. So those have as many as there are
 * readers, and slow ones keep no call waiting.
 */
export function createHandler({ connect, silence, longest, skipverify }: HttpHandlerOptions) {
  const calls = new NodeHttpHandler({
    connectionTimeout: connect,
    throwOnRequestTimeout: true,
    // Each attempt has its own limit; this one only ends what would never end.
    socketTimeout: longest,
    httpAgent: new http.Agent({ keepAlive: true, maxSockets: SOCKETS }),
    httpsAgent: new https.Agent({
      keepAlive: true,
      maxSockets: SOCKETS,
      ...(skipverify && { rejectUnauthorized: false }),
    }),
  });
  const client = createDirectClient({ connect, silence, skipverify });

  const object: Handle = async (request, { abortSignal, requestTimeout } = {}) => {
    const secure = request.protocol === 'https:';
    const answer = await client.get(
      {
        secure,
        host: request.hostname.replace(/^\[(.*)\]$/, '$1'),
        port: request.port ?? (secure ? 443 : 80),
        path: request.path + queryOf(request.query ?? {}),
        headers: request.headers,
      },
      { timeout: requestTimeout ?? longest, signal: abortSignal as AbortSignal | undefined },
    );
    if ('message' in answer) return { response: responseOf(answer.message) };
    const { status, reason, headers } = answer.head;
    return { response: { statusCode: status, reason, headers: { ...headers }, body: readable(answer.body) } };
  };

  const handle: Handle = (request, options) =>
    options !== undefined && 'direct' in options ? object(request, options) : calls.handle(request, options);
  return {
    metadata: calls.metadata,
    handle,
    updateHttpClientConfig: calls.updateHttpClientConfig.bind(calls),
    httpHandlerConfigs: () => calls.httpHandlerConfigs(),
    destroy() {
      calls.destroy();
      client.destroy();
    },
  };
}

function responseOf(body: http.IncomingMessage) {
  const headers = Object.fromEntries(Object.entries(body.headers).map(([name, value]) => [name, String(value)]));
  return { statusCode: body.statusCode ?? 0, reason: body.statusMessage ?? '', headers, body };
}

/** As it was signed: names in order, all but unreserved characters encoded. */
function queryOf(query: Readonly<Record<string, string | readonly string[] | null>>): string {
  const encode = (text: string): string =>
    encodeURIComponent(text).replace(/[!'()*]/g, (letter) => `%${letter.charCodeAt(0).toString(16).toUpperCase()}`);
  const parts = Object.keys(query)
    .sort()
    .flatMap((name) =>
      [query[name] ?? null].flat().map((value) => (value === null ? encode(name) : `${encode(name)}=${encode(value)}`)),
    );
  return parts.length === 0 ? '' : `?${parts.join('&')}`;
}

/** The body as a stream, for those who want one: each chunk is copied. */
function readable(body: DirectBody): Readable {
  let next: (() => void) | undefined;
  let flows = false;
  const stream = new Readable({
    highWaterMark: AHEAD,
    read() {
      const go = next;
      next = undefined;
      go?.();
      if (flows) return;
      flows = true;
      body.flow({
        chunk(bytes, done) {
          if (stream.push(Buffer.from(bytes))) done();
          else next = done;
        },
        over(error) {
          if (error === undefined) stream.push(null);
          else stream.destroy(error);
        },
      });
    },
    destroy(error, done) {
      body.destroy();
      done(error);
    },
  });
  bodies.set(stream, body);
  return stream;
}
