/** One record for each answered request: what the log lines and the meters are made of. */
import type { IncomingMessage } from 'node:http';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { RegistryError } from '../oci/error.ts';
import { sentBodies } from './answer.ts';
import type { Params } from './call.ts';

export interface Exchange {
  readonly raw: IncomingMessage;
  /** The route's label; `undefined` where none matched. */
  readonly handler: string | undefined;
  readonly id: string;
  /** Path and query as the client wrote them. */
  readonly uri: string;
  /** 499 if the client left before the answer began. */
  readonly status: number;
  readonly seconds: number;
  /** Bytes that the request announced, and bytes of the answer's body. */
  readonly requestBytes: number;
  readonly responseBytes: number;
  readonly contentType: string;
  readonly params: Partial<Params>;
  readonly error: RegistryError | undefined;
}

export interface Observer {
  began(handler: string | undefined): void;
  ended(exchange: Exchange): void;
}

/** What went wrong with a request, until its record is made. */
export const requestErrors = new WeakMap<IncomingMessage, RegistryError>();

const labelOf = (request: FastifyRequest): string | undefined =>
  (request.routeOptions.config as { label?: string } | undefined)?.label;

export function observe(app: FastifyInstance, observer: Observer): void {
  app.addHook('onRequest', (request, reply, done) => {
    observer.began(labelOf(request));
    // Once for every request, whichever way it ends; fastify's own hook does not hear of clients that leave.
    reply.raw.once('close', () => observer.ended(exchangeOf(request, reply)));
    done();
  });
}

function exchangeOf(request: FastifyRequest, reply: FastifyReply): Exchange {
  const { raw } = request;
  const sent = sentBodies.get(reply.raw);
  return {
    raw,
    handler: labelOf(request),
    id: request.id,
    uri: request.originalUrl,
    status: reply.raw.headersSent ? reply.raw.statusCode : 499,
    seconds: reply.elapsedTime / 1000,
    requestBytes: Number(raw.headers['content-length'] ?? 0),
    responseBytes: sent?.bytes ?? 0,
    contentType: sent?.type ?? '',
    params: request.params as Partial<Params>,
    error: requestErrors.get(raw),
  };
}
