import { httpSecretName } from '../api/names.ts';
import type { Registry } from '../api/types.ts';
import type { Client } from '../kube/client.ts';
import { type KubeObject, keyOf } from '../kube/object.ts';
import { resourceOf, resources } from '../kube/resources.ts';
import { isRolledOut } from './deployment.ts';
import type { Watches } from './watches.ts';

/**
 * Children that are no longer rendered and may go now. A Service goes at once; what Pods may still use goes after the rollout to Pods that
 * no longer do. A claim never goes, nor does the Secret with the key of upload states.
 */
export function superfluous(
  registry: Registry,
  children: readonly KubeObject[],
  rendered: readonly KubeObject[],
): KubeObject[] {
  const wanted = new Set(rendered.map(identity));
  const deployment = children.find(({ kind }) => kind === resources.deployment.kind);
  const rolledOut = deployment !== undefined && isRolledOut(deployment);
  const spared = httpSecretName(registry.metadata.name);
  return children.filter((child) => {
    const owned = child.metadata.ownerReferences?.some(({ uid }) => uid === registry.metadata.uid) ?? false;
    if (!owned || child.metadata.deletionTimestamp !== undefined || wanted.has(identity(child))) return false;
    if (child.kind === resources.claim.kind) return false;
    if (
      child.kind === resources.secret.kind &&
      child.metadata.name === spared &&
      registry.spec.http.secretRef === undefined
    ) {
      return false;
    }
    return child.kind === resources.service.kind || rolledOut;
  });
}

/** Deletes what is superfluous. Returns what was deleted, as `Kind name`. */
export async function prune(
  { client, watches }: { client: Client; watches: Watches },
  registry: Registry,
  rendered: readonly KubeObject[],
  signal: AbortSignal,
): Promise<string[]> {
  const { namespace, name } = registry.metadata;
  const children = watches.children(keyOf({ metadata: { namespace, name } }));
  const deleted: string[] = [];
  for (const child of superfluous(registry, children, rendered)) {
    const resource = resourceOf(child);
    if (resource === undefined) continue;
    const at = { namespace: child.metadata.namespace, name: child.metadata.name };
    if (await client.delete(resource, at, child.metadata.uid, signal)) deleted.push(`${child.kind} ${at.name}`);
  }
  return deleted;
}

function identity({ kind, metadata }: KubeObject): string {
  return `${kind}/${metadata.name}`;
}
