/** What handlers are given: fastify's request seen through the few things a registry needs. */
import type { FastifyRequest } from 'fastify';
import type { Services } from '../service/services.ts';
import type { Answer } from './answer.ts';
import type { BaseUrl } from './location.ts';
import type { UploadStates } from './upload-state.ts';

export interface RouteShape {
  Params: { name: string; reference: string; digest: string; id: string };
  Querystring: Readonly<Record<string, string | string[] | undefined>>;
}

export type Call = FastifyRequest<RouteShape>;
export type Handler = (call: Call) => Promise<Answer> | Answer;

/** What all handlers are made of. */
export interface HttpDependencies {
  readonly services: Services;
  readonly baseUrl: BaseUrl;
  readonly states: UploadStates;
  readonly deleteEnabled: boolean;
  /** Largest page of the catalog, and of a tag list. */
  readonly maxCatalog: number;
  readonly maxTags: number;
}
