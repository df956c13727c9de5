import type { Registry } from '../api/types.ts';
import type { Client } from '../kube/client.ts';
import { type KubeObject, keyOf } from '../kube/object.ts';
import { resources } from '../kube/resources.ts';
import type { Watches } from './watches.ts';

interface Deps {
  client: Client;
  watches: Watches;
}

/** The finalizer that lets the operator decide over the claim while the Registry is still there to say what it wants. */
export const FINALIZER = 'berth.dev/storage';

/** Whether the Registry has to be held at its deletion: only deletionPolicy Delete gives the operator something to do then. */
export function needsFinalizer(registry: Registry): boolean {
  return registry.spec.deletionPolicy === 'Delete';
}

/** Adds or removes the finalizer. Returns whether it took a write. */
export async function setFinalizer(
  { client, watches }: Deps,
  registry: Registry,
  wanted: boolean,
  signal: AbortSignal,
): Promise<boolean> {
  const { namespace, name, resourceVersion, finalizers = [] } = registry.metadata;
  if (finalizers.includes(FINALIZER) === wanted) return false;
  const others = finalizers.filter((one) => one !== FINALIZER);
  const body = { metadata: { resourceVersion, finalizers: wanted ? [...others, FINALIZER] : others } };
  const answer = await client.patch(
    resources.registry,
    { namespace, name },
    { contentType: 'application/merge-patch+json', body },
    signal,
  );
  // Without its last finalizer a Registry that is being deleted is gone.
  if (registry.metadata.deletionTimestamp === undefined) watches.written(answer);
  return true;
}

/** Claims that would go with the Registry. */
export function ownedClaims({ watches }: Pick<Deps, 'watches'>, registry: Registry): KubeObject[] {
  const { namespace, name, uid } = registry.metadata;
  return watches
    .children(keyOf({ metadata: { namespace, name } }))
    .filter(
      ({ kind, metadata }) =>
        kind === resources.claim.kind && metadata.ownerReferences?.some((owner) => owner.uid === uid),
    );
}

/** Takes a claim out of the Registry's hands, so that it stays when the Registry goes. */
export async function releaseClaim(
  { client, watches }: Deps,
  registry: Registry,
  claim: KubeObject,
  signal: AbortSignal,
): Promise<void> {
  const { namespace, name, resourceVersion, ownerReferences = [] } = claim.metadata;
  const others = ownerReferences.filter(({ uid }) => uid !== registry.metadata.uid);
  const body = { metadata: { resourceVersion, ownerReferences: others } };
  watches.written(
    await client.patch(
      resources.claim,
      { namespace, name },
      { contentType: 'application/merge-patch+json', body },
      signal,
    ),
  );
}

/** What became of the claims of a Registry that is being deleted, by name. */
export interface Farewell {
  readonly deleted: readonly string[];
  readonly kept: readonly string[];
}

/**
 * Ends a Registry that the finalizer holds. Its claims go only if deletionPolicy says Delete now and the operator is in charge; otherwise they
 * are released. All else is collected by the cluster, by owner references.
 */
export async function finish(deps: Deps, registry: Registry, signal: AbortSignal): Promise<Farewell> {
  const { deletionPolicy, managementPolicy } = registry.spec;
  const remove = deletionPolicy === 'Delete' && managementPolicy === 'Managed';
  const claims = ownedClaims(deps, registry);
  for (const claim of claims) {
    const { namespace, name, uid } = claim.metadata;
    if (remove) await deps.client.delete(resources.claim, { namespace, name }, uid, signal);
    else await releaseClaim(deps, registry, claim, signal);
  }
  await setFinalizer(deps, registry, false, signal);
  const names = claims.map(({ metadata }) => metadata.name);
  return remove ? { deleted: names, kept: [] } : { deleted: [], kept: names };
}
