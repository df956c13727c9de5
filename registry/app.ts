/** The registry's HTTP application: dependencies in, fastify out. It listens nowhere and reads no environment. */
import type { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import Fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify';
import { type Answer, write } from './http/answer.ts';
import { createCall, type Handler, type HttpDependencies } from './http/call.ts';
import { createDeadlines, type DeadlineLimits } from './http/deadline.ts';
import { errorAnswer, toRegistryError } from './http/errors.ts';
import { type Observer, observe, observeExchange, requestErrors } from './http/observe.ts';
import { foldName, tidied, withoutSlash } from './http/path.ts';
import { registerRoutes } from './http/routes.ts';
import type { Logger } from './log.ts';
import { fault } from './oci/error.ts';

export interface AppDependencies extends HttpDependencies {
  /** `/`, or the configured prefix with both slashes. */
  readonly prefix: string;
  /** Added to every routed answer. */
  readonly headers: Readonly<Record<string, readonly string[]>>;
  /** Failing checks by name; anything but `undefined` answers every request with 503. */
  readonly unhealthy: () => Readonly<Record<string, string>> | undefined;
  /** Once true, each answer is the last on its connection. */
  readonly draining: () => boolean;
  readonly observer: Observer;
  readonly log: Logger;
  readonly newId: () => string;
  readonly deadlines?: DeadlineLimits | undefined;
}

/** Milliseconds without a byte after which a connection is given up; Distribution waits for ever. */
const idleLimit = 300_000;

/** Long enough for a slow network file system, and for a layer of 100 GiB to be read back. */
const usualDeadlines: DeadlineLimits = { reading: 120_000, writing: 900_000 };

const carriesBody: ReadonlySet<string> = new Set(['PUT', 'POST', 'PATCH']);

const apiVersion = ['Docker-Distribution-API-Version', 'registry/2.0'];

export function createApp(dependencies: AppDependencies): FastifyInstance {
  const { prefix, log } = dependencies;
  const deadlines = createDeadlines(dependencies.deadlines ?? usualDeadlines, () => performance.now());
  const app = Fastify({
    logger: false,
    // The folded name is longer than its characters: each slash counts three.
    routerOptions: { maxParamLength: 4096, caseSensitive: true, ignoreTrailingSlash: false },
    rewriteUrl: (request) => foldName(request.url ?? '/', prefix),
    exposeHeadRoutes: false,
    forceCloseConnections: 'idle',
    connectionTimeout: idleLimit,
    genReqId: dependencies.newId,
    clientErrorHandler: refuseGarbage,
    // A handler sees the stream itself; nothing is buffered on its behalf.
    frameworkErrors(_error, request, reply) {
      observeExchange(request as FastifyRequest, reply as FastifyReply, dependencies.observer);
      void finish(request as FastifyRequest, reply as FastifyReply, malformedUrl, apiVersion);
    },
  });
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('*', (_request, _payload, done) => done(null));

  const fixed = [
    ...apiVersion,
    ...Object.entries(dependencies.headers).flatMap(([name, values]) => values.flatMap((value) => [name, value])),
  ];

  async function finish(request: FastifyRequest, reply: FastifyReply, answer: Answer, lines = fixed): Promise<void> {
    reply.hijack();
    if (answer.error) requestErrors.set(request.raw, answer.error);
    if (dependencies.draining()) reply.raw.shouldKeepAlive = false;
    if (carriesBody.has(request.method)) request.raw.socket.setTimeout(idleLimit);
    try {
      await write(request.raw, reply.raw, answer, lines);
    } catch (error) {
      // The head is out, so the client can only learn of it from the broken connection.
      if (!isGone(request))
        log.warn({ reason: (error as Error).message, uri: request.originalUrl }, 'answer broken off');
      reply.raw.destroy();
    }
  }

  async function answer(request: FastifyRequest, reply: FastifyReply, handler: Handler, lines = fixed): Promise<void> {
    // Before everything else, as in Distribution, so that a load balancer sees it whatever path it asks.
    if (dependencies.unhealthy() !== undefined) return finish(request, reply, unhealthy(), []);
    const { socket } = request.raw;
    const tidy = tidied(request.originalUrl);
    if (tidy !== undefined) return finish(request, reply, movedTo(tidy), apiVersion);
    // Once a body is in, silence is ours: reading a large layer back may take longer than a client may be idle.
    if (carriesBody.has(request.method)) request.raw.once('end', () => socket.setTimeout(0));
    try {
      const { call, abort } = createCall(request, reply);
      await finish(request, reply, await deadlines.run(request.raw, abort, () => handler(call)), lines);
    } catch (thrown) {
      await fail(request, reply, thrown);
    }
  }

  async function fail(request: FastifyRequest, reply: FastifyReply, thrown: unknown): Promise<void> {
    if (isGone(request)) {
      reply.hijack();
      reply.raw.destroy();
      return;
    }
    await finish(request, reply, errorAnswer(toRegistryError(thrown)));
  }

  app.setErrorHandler((error, request, reply) => fail(request, reply, fromFramework(error)));
  app.setNotFoundHandler((request, reply) => answer(request, reply, () => unrouted(request), apiVersion));
  app.addHook('onClose', async () => deadlines.close());
  observe(app, dependencies.observer);
  registerRoutes(app, prefix, dependencies, answer);
  app.all('/', (request, reply) => answer(request, reply, () => alive, []));
  return app;
}

/** Which check failed, and why, is for the debug server to tell: it may name what is none of a client's business. */
const unhealthy = (): Answer =>
  errorAnswer(fault('UNAVAILABLE', undefined, 'health check failed: please see /debug/health'));

/** Always at the root, whatever the prefix: load balancers ask there. */
const alive: Answer = { status: 200, headers: { 'cache-control': 'no-cache' } };

const refusal = (status: number, code: string, message: string): Answer => ({
  status,
  headers: { 'content-type': 'application/json' },
  body: Buffer.from(`${JSON.stringify({ errors: [{ code, message }] })}\n`),
});
const notFound = refusal(404, 'UNSUPPORTED', 'no such path in the API');
const malformedUrl = refusal(400, 'NAME_INVALID', 'the URL cannot be decoded');

const movedTo = (location: string): Answer => ({ status: 301, headers: { location } });

const methods = ['GET', 'HEAD', 'PUT', 'PATCH', 'POST', 'DELETE', 'OPTIONS'];
const noMethod: Answer = (() => {
  const { headers, ...rest } = refusal(405, 'UNSUPPORTED', 'Method not allowed');
  return { ...rest, headers: { ...headers, allow: methods.join(', ') } };
})();

function unrouted({ method, originalUrl }: FastifyRequest): Answer {
  const elsewhere = tidied(originalUrl) ?? withoutSlash(originalUrl);
  if (elsewhere !== undefined) return movedTo(elsewhere);
  return methods.includes(method) ? notFound : noMethod;
}

const isGone = ({ raw }: FastifyRequest): boolean => raw.socket.destroyed || (raw.destroyed && !raw.complete);

/** Fastify refuses malformed Content-Types before any handler runs; in a registry only manifests depend on theirs. */
function fromFramework(error: unknown): unknown {
  const code = (error as { code?: string }).code ?? '';
  return code.startsWith('FST_ERR_CTP') ? fault('MANIFEST_INVALID', 'malformed Content-Type') : error;
}

/** What is not HTTP, or has a head beyond Node's limits, gets an answer where one can still be written. */
function refuseGarbage(error: Error & { code?: string }, socket: Socket): void {
  const status =
    error.code === 'HPE_HEADER_OVERFLOW'
      ? '431 Request Header Fields Too Large'
      : error.code === 'ERR_HTTP_REQUEST_TIMEOUT'
        ? '408 Request Timeout'
        : '400 Bad Request';
  const message = (socket as Socket & { _httpMessage?: ServerResponse })._httpMessage;
  if (socket.writable && !message?.headersSent)
    socket.end(`HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`);
  else socket.destroy();
}
