/** One record for each answered request: what the log lines and the meters are made of. */
import type { IncomingMessage } from 'node:http';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { RegistryError } from '../oci/error.ts';
import { sentBodies } from './answer.ts';
import { receivedBytes } from './body.ts';
import type { Params } from './call.ts';
import { type Peer, peerOf } from './client-address.ts';

export interface Exchange {
  readonly raw: IncomingMessage;
  readonly peer: Peer;
  /** The verified user; `undefined` where nobody was asked who they are. */
  readonly user: string | undefined;
  /** The route's label; `undefined` where none matched. */
  readonly handler: string | undefined;
  readonly id: string;
  /** Path and query as the client wrote them. */
  readonly uri: string;
  /** 499 if the client left before the answer began. */
  readonly status: number;
  readonly seconds: number;
  /** Bytes of the bodies: those that were taken in, and those that went out as far as that can be told. */
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
/** Whose request it is, told by whoever verified it. */
export const requestUsers = new WeakMap<IncomingMessage, string>();

const labelOf = (request: FastifyRequest): string | undefined =>
  (request.routeOptions.config as { label?: string } | undefined)?.label;

export function observe(app: FastifyInstance, observer: Observer): void {
  app.addHook('onRequest', (request, reply, done) => {
    observeExchange(request, reply, observer);
    done();
  });
}

/** For the few requests that end before fastify's hooks. */
export function observeExchange(request: FastifyRequest, reply: FastifyReply, observer: Observer): void {
  const began = performance.now();
  const peer = peerOf(request.raw);
  observer.began(labelOf(request));
  // Once for every request, whichever way it ends; fastify's own hook does not hear of clients that leave, and its clock
  // stands still for answers that it does not write.
  reply.raw.once('close', () => {
    observer.ended(exchangeOf(request, reply, peer, (performance.now() - began) / 1000));
  });
}

function exchangeOf(request: FastifyRequest, reply: FastifyReply, peer: Peer, seconds: number): Exchange {
  const { raw } = request;
  const sent = sentBodies.get(reply.raw);
  return {
    raw,
    peer,
    user: requestUsers.get(raw),
    handler: labelOf(request),
    id: request.id,
    uri: request.originalUrl,
    status: reply.raw.headersSent ? reply.raw.statusCode : 499,
    seconds,
    requestBytes: receivedBytes.get(raw) ?? 0,
    responseBytes: sent === undefined ? 0 : reply.raw.writableFinished ? sent.bytes : sent.soFar(),
    contentType: sent?.type ?? '',
    params: (request.params ?? {}) as Partial<Params>,
    error: requestErrors.get(raw),
  };
}
