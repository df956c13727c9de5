/** The whole route table: which path, which method, which handler, under which name in metrics and logs. */
import type { FastifyInstance, FastifyReply, FastifyRequest, HTTPMethods } from 'fastify';
import type { Answer } from './answer.ts';
import { createBlobHandlers } from './blobs.ts';
import type { Handler, HttpDependencies } from './call.ts';
import { createListingHandlers } from './listings.ts';
import { createManifestHandlers } from './manifests.ts';
import { createReferrersHandler } from './referrers.ts';
import { createUploadHandlers } from './uploads.ts';

type Method = 'GET' | 'HEAD' | 'PUT' | 'PATCH' | 'POST' | 'DELETE';
const methods: readonly Method[] = ['GET', 'HEAD', 'PUT', 'PATCH', 'POST', 'DELETE'];

interface Route {
  /** Distribution's name of the handler, the label of its metrics. */
  readonly label: string;
  readonly url: string;
  /** GET answers HEAD as well. */
  readonly on: Partial<Readonly<Record<Exclude<Method, 'HEAD'>, Handler>>>;
}

function routeTable(dependencies: HttpDependencies): readonly Route[] {
  const blobs = createBlobHandlers(dependencies);
  const uploads = createUploadHandlers(dependencies);
  const manifests = createManifestHandlers(dependencies);
  const listings = createListingHandlers(dependencies);
  const referrers = createReferrersHandler(dependencies);
  const base: Handler = () => ({
    status: 200,
    headers: { 'content-type': 'application/json' },
    body: Buffer.from('{}'),
  });
  const moved: Handler = (call) => ({
    status: 301,
    headers: { location: `${call.originalUrl.replace(/\/?(\?|$)/, '/$1')}` },
  });
  const uploadsAt = (url: string): Route => ({ label: 'blob_upload', url, on: { POST: uploads.begin } });
  return [
    { label: 'base', url: 'v2', on: { GET: moved } },
    { label: 'base', url: 'v2/', on: { GET: base, PUT: base, PATCH: base, POST: base, DELETE: base } },
    { label: 'catalog', url: 'v2/_catalog', on: { GET: listings.catalog } },
    { label: 'tags', url: 'v2/:name/tags/list', on: { GET: listings.tags } },
    {
      label: 'manifest',
      url: 'v2/:name/manifests/:reference',
      on: { GET: manifests.get, PUT: manifests.put, DELETE: manifests.remove },
    },
    { label: 'referrers', url: 'v2/:name/referrers/:digest', on: { GET: referrers } },
    uploadsAt('v2/:name/blobs/uploads'),
    uploadsAt('v2/:name/blobs/uploads/'),
    {
      label: 'blob_upload_chunk',
      url: 'v2/:name/blobs/uploads/:id',
      on: { GET: uploads.status, PATCH: uploads.append, PUT: uploads.finish, DELETE: uploads.cancel },
    },
    { label: 'blob', url: 'v2/:name/blobs/:digest', on: { GET: blobs.get, DELETE: blobs.remove } },
  ];
}

const isRead = (method: Method): boolean => method === 'GET' || method === 'HEAD';

const refusal = (allowed: readonly Method[], message: string): Answer => ({
  status: 405,
  headers: { allow: [...allowed, 'OPTIONS'].join(', '), 'content-type': 'application/json' },
  body: Buffer.from(`${JSON.stringify({ errors: [{ code: 'UNSUPPORTED', message }] })}\n`),
});

/** `answer` writes what a handler returns or throws. */
export function registerRoutes(
  app: FastifyInstance,
  prefix: string,
  dependencies: HttpDependencies,
  answer: (request: FastifyRequest, reply: FastifyReply, handler: Handler) => Promise<void>,
): void {
  const { readOnly = () => false } = dependencies;
  for (const { label, url, on } of routeTable(dependencies)) {
    const allowed = methods.filter((method) => on[method === 'HEAD' ? 'GET' : method] !== undefined);
    const whole = refusal(allowed, 'Method not allowed');
    const readable = refusal(
      allowed.filter(isRead),
      'This registry is read-only just now: nothing can be pushed or deleted',
    );
    // As Distribution has it, where the routes that write are not even there.
    const guarded =
      (handler: Handler): Handler =>
      (call) =>
        readOnly() ? readable : handler(call);
    const add = (method: HTTPMethods, handler: Handler): void => {
      const config = { label };
      app.route({ method, url: prefix + url, config, handler: (request, reply) => answer(request, reply, handler) });
    };
    for (const method of methods) {
      const handler = on[method === 'HEAD' ? 'GET' : method];
      if (handler === undefined) add(method, () => (readOnly() ? readable : whole));
      else add(method, isRead(method) ? handler : guarded(handler));
    }
    add('OPTIONS', () => {
      const { allow = '' } = (readOnly() ? readable : whole).headers;
      return { status: 200, headers: { allow } };
    });
  }
}
