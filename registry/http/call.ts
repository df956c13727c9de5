/** What handlers are given: a request seen through the few things a registry needs. */
import type { IncomingMessage } from 'node:http';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Cancellable, Services } from '../service/services.ts';
import type { Answer } from './answer.ts';
import type { BaseUrl } from './location.ts';
import type { UploadStates } from './upload-state.ts';

export interface Params {
  readonly name: string;
  readonly reference: string;
  readonly digest: string;
  readonly id: string;
}

export interface Call extends Cancellable {
  readonly raw: IncomingMessage;
  readonly params: Params;
  readonly query: Readonly<Record<string, string | string[] | undefined>>;
  /** Path and query as the client wrote them. */
  readonly originalUrl: string;
  /** Fires when the client leaves before it was answered, and when the answer is overdue. */
  readonly signal: AbortSignal;
}

export type Handler = (call: Call) => Promise<Answer> | Answer;

/** A call, and how it is given up from outside. */
export interface CallControl {
  readonly call: Call;
  readonly abort: () => void;
}

/** The signal is made when it is first asked for. (Fastify's own fires as soon as a body has been read to its end.) */
export function createCall(request: FastifyRequest, reply: FastifyReply): CallControl {
  let controller: AbortController | undefined;
  const call: Call = {
    raw: request.raw,
    params: request.params as Params,
    query: request.query as Call['query'],
    originalUrl: request.originalUrl,
    get signal() {
      if (controller === undefined) {
        const made = new AbortController();
        controller = made;
        reply.raw.once('close', () => {
          if (!reply.raw.writableFinished) made.abort();
        });
      }
      return controller.signal;
    },
  };
  return { call, abort: () => controller?.abort() };
}

/** What all handlers are made of. */
export interface HttpDependencies {
  readonly services: Services;
  readonly baseUrl: BaseUrl;
  readonly states: UploadStates;
  readonly deleteEnabled: boolean;
  /** Whether writes are refused just now. Default: never. */
  readonly readOnly?: (() => boolean) | undefined;
  /** Largest page of the catalog, and of a tag list. */
  readonly maxCatalog: number;
  readonly maxTags: number;
}
