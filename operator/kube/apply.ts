import { isOperatorError, OperatorError } from '../error.ts';
import type { Client, Place } from './client.ts';
import type { KubeObject } from './object.ts';
import type { Resource } from './resources.ts';

/** Who else manages a field that we are about to take. */
export interface Conflict {
  manager: string;
  field: string;
}

/**
 * Server-side apply. The fields of `object` become ours and take its values; fields that we applied before and that are missing now go away.
 *
 * @param force take fields that somebody else manages. Without it such a field fails with `conflict`, see `conflictsOf`
 * @returns the object as it is stored afterwards
 */
export async function apply(
  client: Client,
  resource: Resource,
  object: KubeObject,
  options: { force: boolean; subresource?: 'status'; signal: AbortSignal },
): Promise<KubeObject> {
  const { namespace, name } = object.metadata;
  return client.patch(
    resource,
    { namespace, name },
    {
      contentType: 'application/apply-patch+yaml',
      body: object,
      query: { force: String(options.force) },
      subresource: options.subresource,
    },
    options.signal,
  );
}

/**
 * The fields that a failed apply without `force` found in other hands; empty for any other error. The API server answers 409 with one cause
 * of reason FieldManagerConflict per field.
 */
export function conflictsOf(error: unknown): Conflict[] {
  if (!isOperatorError(error, 'conflict')) return [];
  return error.causes
    .filter((cause) => cause.reason === 'FieldManagerConflict')
    .map((cause) => ({ field: cause.field ?? '', manager: /"([^"]*)"/.exec(cause.message ?? '')?.[1] ?? 'unknown' }));
}

/**
 * Replaces values by JSON Patch, under the condition that the object is still at `resourceVersion`. It is for list entries of other
 * managers that server-side apply can neither see nor remove.
 *
 * @param values JSON pointers to the values that shall stand there
 * @throws `conflict` if the object has changed meanwhile
 */
export async function replace(
  client: Client,
  resource: Resource,
  at: Place & { resourceVersion: string },
  values: ReadonlyMap<string, unknown>,
  signal: AbortSignal,
): Promise<KubeObject> {
  const operations = [...values].map(([path, value]) => ({ op: 'replace', path, value }));
  const test = { op: 'test', path: '/metadata/resourceVersion', value: at.resourceVersion };
  try {
    const patch = { contentType: 'application/json-patch+json', body: [test, ...operations] } as const;
    return await client.patch(resource, at, patch, signal);
  } catch (error) {
    // A failed test is answered as 422 without causes, as is a patch that cannot be carried out.
    if (isOperatorError(error, 'invalid') && error.causes.length === 0) {
      throw new OperatorError('conflict', error.message, { cause: error });
    }
    throw error;
  }
}
