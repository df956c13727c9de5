import { OperatorError } from '../error.ts';
import type { KubeObject } from './object.ts';
import { pathOf, type Resource } from './resources.ts';
import type { Call, Transport } from './transport.ts';

/** The verbs of the API server over raw JSON. Each takes the caller's signal and has a deadline of its own. */
export interface Client {
  /** The object, or `undefined` if there is none. */
  get(resource: Resource, at: Place, signal: AbortSignal): Promise<KubeObject | undefined>;
  /** One page of a list. */
  list(resource: Resource, namespace: string | undefined, query: ListQuery, signal: AbortSignal): Promise<Page>;
  /** Fails with `alreadyExists` where there is one. */
  create(resource: Resource, object: KubeObject, signal: AbortSignal): Promise<KubeObject>;
  /** PATCH in the form that `contentType` says. */
  patch(resource: Resource, at: Place, patch: Patch, signal: AbortSignal): Promise<KubeObject>;
  /** Asks for deletion in the background. `false` if it was gone, or is another object by now than `uid`. */
  delete(resource: Resource, at: Place, uid: string | undefined, signal: AbortSignal): Promise<boolean>;
}

/** Where an object is. */
export interface Place {
  namespace: string | undefined;
  name: string;
}

export interface ListQuery {
  labelSelector?: string | undefined;
  limit?: number;
  continue?: string | undefined;
  /** Ask for names, labels and versions alone (PartialObjectMetadata). */
  metadataOnly?: boolean;
}

export interface Page {
  items: KubeObject[];
  resourceVersion: string;
  /** There is more: pass it to the next call. */
  continue: string | undefined;
}

export interface Patch {
  contentType: 'application/apply-patch+yaml' | 'application/merge-patch+json' | 'application/json-patch+json';
  body: unknown;
  query?: Record<string, string>;
  subresource?: 'status' | undefined;
}

/** What asks the API server for metadata alone, in lists and in watches. */
export const metadataAccept = {
  list: 'application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1',
  watch: 'application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1',
} as const;

const deadlines = { read: 15_000, list: 60_000, write: 30_000 };

/**
 * The client of one API server.
 *
 * @param fieldManager who the API server notes as the manager of what is created
 */
export function createClient(transport: Transport, fieldManager: string): Client {
  const object = async (call: Call) => {
    const answer = await transport.json(call);
    if (!isObject(answer)) throw new OperatorError('malformed', `${call.what}: the answer is no Kubernetes object`);
    return answer;
  };
  const name = (verb: string, resource: Resource, at: Place) =>
    `${verb} ${resource.kind} ${at.namespace === undefined ? '' : `${at.namespace}/`}${at.name}`;

  return {
    async get(resource, at, signal) {
      try {
        return await object({
          what: name('get', resource, at),
          method: 'GET',
          path: pathOf(resource, at.namespace, at.name),
          deadlineMs: deadlines.read,
          signal,
        });
      } catch (error) {
        if (error instanceof OperatorError && error.code === 'notFound') return undefined;
        throw error;
      }
    },

    async list(resource, namespace, query, signal) {
      const what = `list ${resource.plural}${namespace === undefined ? '' : ` in ${namespace}`}`;
      const answer = (await transport.json({
        what,
        method: 'GET',
        path: pathOf(resource, namespace),
        query: {
          ...(query.labelSelector === undefined ? {} : { labelSelector: query.labelSelector }),
          ...(query.limit === undefined ? {} : { limit: String(query.limit) }),
          ...(query.continue === undefined ? {} : { continue: query.continue }),
        },
        accept: query.metadataOnly ? metadataAccept.list : 'application/json',
        deadlineMs: deadlines.list,
        signal,
      })) as { items?: unknown; metadata?: { resourceVersion?: string; continue?: string } };
      if (answer.items !== null && !Array.isArray(answer.items)) {
        throw new OperatorError('malformed', `${what}: the answer is no list`);
      }
      const items = (answer.items ?? []).filter(isObject);
      // Items of a typed list come without the kind that single objects carry.
      if (!query.metadataOnly) for (const item of items) Object.assign(item, kindOf(resource));
      return {
        items,
        resourceVersion: answer.metadata?.resourceVersion ?? '',
        continue: answer.metadata?.continue || undefined,
      };
    },

    create: (resource, body, signal) =>
      object({
        what: name('create', resource, { namespace: body.metadata.namespace, name: body.metadata.name }),
        method: 'POST',
        path: pathOf(resource, body.metadata.namespace),
        query: { fieldManager },
        body,
        deadlineMs: deadlines.write,
        signal,
      }),

    patch: (resource, at, patch, signal) =>
      object({
        what:
          name(patch.contentType.includes('apply') ? 'apply' : 'patch', resource, at) +
          (patch.subresource ? ' status' : ''),
        method: 'PATCH',
        path: pathOf(resource, at.namespace, at.name, patch.subresource),
        query: { fieldManager, ...patch.query },
        body: patch.body,
        contentType: patch.contentType,
        deadlineMs: deadlines.write,
        signal,
      }),

    async delete(resource, at, uid, signal) {
      try {
        await transport.json({
          what: name('delete', resource, at),
          method: 'DELETE',
          path: pathOf(resource, at.namespace, at.name),
          body: {
            apiVersion: 'v1',
            kind: 'DeleteOptions',
            propagationPolicy: 'Background',
            ...(uid === undefined ? {} : { preconditions: { uid } }),
          },
          deadlineMs: deadlines.write,
          signal,
        });
        return true;
      } catch (error) {
        if (error instanceof OperatorError && (error.code === 'notFound' || error.code === 'conflict')) return false;
        throw error;
      }
    },
  };
}

function kindOf(resource: Resource): { apiVersion: string; kind: string } {
  return { apiVersion: resource.apiVersion, kind: resource.kind };
}

function isObject(value: unknown): value is KubeObject {
  const metadata = (value as { metadata?: { name?: unknown } } | null)?.metadata;
  return typeof metadata?.name === 'string';
}
