/** One record for each answered request: what the log lines and the meters are made of. */
import type { IncomingMessage } from 'node:http';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { RegistryError } from '../oci/error.ts';
import { bodyBytes } from './answer.ts';
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
  app.addHook('onRequest', (request, _reply, done) => {
    observer.began(labelOf(request));
    done();
  });
  app.addHook('onResponse', (request, reply, done) => {
    const { raw } = request;
    const answered = reply.raw.headersSent;
    observer.ended({
      raw,
      handler: labelOf(request),
      id: request.id,
      uri: request.originalUrl,
      status: answered ? reply.raw.statusCode : 499,
      seconds: reply.elapsedTime / 1000,
      requestBytes: Number(raw.headers['content-length'] ?? 0),
      responseBytes: bodyBytes.get(reply.raw) ?? 0,
      contentType: String(reply.raw.getHeader('content-type') ?? ''),
      params: request.params as Partial<Params>,
      error: requestErrors.get(raw),
    });
    done();
  });
}
