import { isOperatorError, type OperatorError } from '../error.ts';
import { apply, replace } from '../kube/apply.ts';
import type { Client } from '../kube/client.ts';
import { type KubeObject, keyOf } from '../kube/object.ts';
import { type Resource, resourceOf } from '../kube/resources.ts';
import { REGISTRY_LABEL } from '../render/labels.ts';
import { compare, contentHash, type Difference } from './drift.ts';
import { isOurs } from './reduce.ts';
import type { Watches } from './watches.ts';

/** The annotation of a child with the hash of what was applied last: by it a field that is no longer rendered is found. */
export const APPLIED = 'berth.dev/applied';

/** What became of a child. */
export type Ensured =
  /** It is as it was rendered; `wrote` says what it took. `fields`: where it had been edited. */
  | { readonly fate: 'there'; readonly wrote: 'nothing' | 'created' | 'updated' }
  | { readonly fate: 'there'; readonly wrote: 'corrected'; readonly fields: readonly string[] }
  /** One of the same name is about to go; its end wakes the Registry. */
  | { readonly fate: 'waiting'; readonly message: string }
  /** The name belongs to somebody else. */
  | { readonly fate: 'taken'; readonly message: string }
  /** The API server does not take it, and will not until somebody changes something; or it fails, and may do so for long. */
  | { readonly fate: 'refused' | 'failing'; readonly error: OperatorError };

export interface Children {
  /** Whether `ensure` would write. */
  differs(rendered: KubeObject): boolean;
  /** Makes a child what was rendered. Without a request when it is that already. */
  ensure(registry: KubeObject, rendered: KubeObject, signal: AbortSignal): Promise<Ensured>;
}

/**
 * Brings children to what was rendered, by server-side apply, and only where the copy that the watches keep differs. A value that the API
 * server or an admission webhook always changes would differ for ever: what still differs in the answer to an apply is remembered
 * and taken for the same until it changes.
 */
export function createChildren({ client, watches }: { client: Client; watches: Watches }): Children {
  /** By kind and key: the differences that an apply of this hash leaves. */
  const settled = new Map<string, { hash: string; differences: ReadonlySet<string> }>();

  function open(id: string, hash: string, wanted: KubeObject, stored: KubeObject): Difference[] {
    const known = settled.get(id);
    const differences = compare(wanted, stored);
    if (known?.hash !== hash) return differences;
    return differences.filter((one) => !known.differences.has(fingerprint(one)));
  }

  /** Takes away what others put into lists of ours, which apply can neither see nor remove, and applies. */
  async function restore(
    resource: Resource,
    wanted: KubeObject,
    stored: KubeObject,
    foreign: Difference[],
    signal: AbortSignal,
  ) {
    const { namespace, name, resourceVersion = '' } = stored.metadata;
    const lists = new Map(outermost(foreign).map(({ path, wanted: list }) => [path, list]));
    watches.written(await replace(client, resource, { namespace, name, resourceVersion }, lists, signal));
    return apply(client, resource, wanted, { force: true, signal });
  }

  /** Returns whether the object has become another. */
  async function write(child: Prepared, stored: KubeObject | undefined, signal: AbortSignal): Promise<boolean> {
    const { resource, id, hash, wanted } = child;
    const foreignIn = (object: KubeObject | undefined) =>
      object === undefined ? [] : open(id, hash, wanted, object).filter(({ kind }) => kind === 'foreign');
    const before = foreignIn(stored);
    let answer: KubeObject;
    if (stored !== undefined && before.length > 0 && isApplied(stored, hash)) {
      answer = await restore(resource, wanted, stored, before, signal);
    } else {
      answer = await apply(client, resource, wanted, { force: true, signal }).catch((error) => {
        // An entry that was renamed by hand may clash with ours.
        if (stored === undefined || before.length === 0 || !isOperatorError(error, 'invalid')) throw error;
        return restore(resource, wanted, stored, before, signal);
      });
      const after = foreignIn(answer);
      if (after.length > 0) answer = await restore(resource, wanted, answer, after, signal);
    }
    watches.written(answer);
    const left = compare(wanted, answer);
    if (left.length > 0) settled.set(id, { hash, differences: new Set(left.map(fingerprint)) });
    else settled.delete(id);
    return answer.metadata.resourceVersion !== stored?.metadata.resourceVersion;
  }

  return {
    differs(rendered) {
      const { id, hash, wanted } = prepare(rendered);
      const stored = watches.child(rendered.kind ?? '', keyOf(rendered));
      return stored === undefined || !isApplied(stored, hash) || open(id, hash, wanted, stored).length > 0;
    },

    async ensure(registry, rendered, signal) {
      const child = prepare(rendered);
      const { resource, id, hash, wanted } = child;
      const { namespace, name } = rendered.metadata;
      const watched = watches.child(resource.kind, keyOf(rendered));
      // What is not watched may still be there, without our label: look before taking it over.
      const stored = watched ?? (await client.get(resource, { namespace, name }, signal));
      if (stored !== undefined) {
        const bar = obstacle(registry, stored, `${resource.kind} ${keyOf(stored)}`);
        if (bar !== undefined) return bar;
      }
      const current = stored !== undefined && isApplied(stored, hash);
      const differences = stored === undefined ? [] : open(id, hash, wanted, stored);
      if (current && differences.length === 0 && watched !== undefined) return { fate: 'there', wrote: 'nothing' };
      let moved: boolean;
      try {
        moved = await write(child, stored, signal);
      } catch (error) {
        return unapplied(error);
      }
      if (!moved) return { fate: 'there', wrote: 'nothing' };
      if (stored === undefined) return { fate: 'there', wrote: 'created' };
      if (!current) return { fate: 'there', wrote: 'updated' };
      return { fate: 'there', wrote: 'corrected', fields: differences.map(({ path }) => path) };
    },
  };
}

/** What an error of an apply means for the child. Throws what says nothing about it, such as an API server that is away. */
function unapplied(error: unknown): Ensured {
  if (isOperatorError(error, 'invalid', 'forbidden', 'refused', 'notFound')) return { fate: 'refused', error };
  if (isOperatorError(error, 'server')) return { fate: 'failing', error };
  throw error;
}

interface Prepared {
  readonly resource: Resource;
  /** Kind and key. */
  readonly id: string;
  readonly hash: string;
  readonly wanted: KubeObject;
}

/** The object as it is applied: plain JSON with the hash of all the rest in an annotation. */
function prepare(rendered: KubeObject): Prepared {
  const resource = resourceOf(rendered);
  if (resource === undefined) throw new TypeError(`no resource is known for the kind ${rendered.kind}`);
  const plain = JSON.parse(JSON.stringify(rendered)) as KubeObject;
  const hash = contentHash(plain);
  const annotations = { ...plain.metadata.annotations, [APPLIED]: hash };
  const wanted = { ...plain, metadata: { ...plain.metadata, annotations } };
  return { resource, id: `${resource.kind}/${keyOf(plain)}`, hash, wanted };
}

function isApplied(stored: KubeObject, hash: string): boolean {
  return stored.metadata.annotations?.[APPLIED] === hash;
}

/** Why an object of the right name cannot be made into the child of `registry`. */
function obstacle(registry: KubeObject, stored: KubeObject, what: string): Ensured | undefined {
  const controller = stored.metadata.ownerReferences?.find((owner) => owner.controller);
  if (stored.metadata.deletionTimestamp !== undefined) {
    return { fate: 'waiting', message: `${what} is being deleted; it is made again when it is gone` };
  }
  if (controller !== undefined && controller.uid !== registry.metadata.uid) {
    const earlier = controller.kind === registry.kind && controller.name === registry.metadata.name;
    if (earlier)
      return { fate: 'waiting', message: `${what} belongs to an earlier Registry of this name and has yet to go` };
    return { fate: 'taken', message: `${what} belongs to ${controller.kind} ${controller.name}: ${wayOut}` };
  }
  const mine =
    controller !== undefined ||
    (isOurs(stored) && stored.metadata.labels?.[REGISTRY_LABEL] === registry.metadata.name) ||
    stored.metadata.annotations?.[APPLIED] !== undefined;
  return mine
    ? undefined
    : { fate: 'taken', message: `${what} is there already and was not made by this operator: ${wayOut}` };
}

const wayOut = 'delete or rename it, or give the Registry another name';

function fingerprint({ path, kind, stored }: Difference): string {
  return `${kind} ${path} ${stored}`;
}

/** Without the lists that lie within another list which is set as a whole. */
function outermost(differences: readonly Difference[]): Difference[] {
  return differences.filter(({ path }) => !differences.some((other) => path.startsWith(`${other.path}/`)));
}
