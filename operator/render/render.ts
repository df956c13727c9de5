import type { Resolved } from '../api/resolved.ts';
import { configSecret } from './config.ts';
import { deployment } from './deployment.ts';
import type { KubernetesObject } from './object.ts';
import { persistentVolumeClaim } from './persistentvolumeclaim.ts';
import { podDisruptionBudget } from './poddisruptionbudget.ts';
import { services } from './service.ts';
import { serviceAccount } from './serviceaccount.ts';

/**
 * The children of a Registry in the order in which they are applied: what a Pod needs comes before the Deployment. Pure: the
 * same Registry gives the same bytes.
 *
 * The Secret with the key of upload states is not among them (its value is random): the reconciler makes it once. The claim of
 * `claimTemplate` is among them, but belongs to the Registry only under deletionPolicy Delete: pruning leaves every
 * PersistentVolumeClaim alone.
 */
export function render(resolved: Resolved): readonly KubernetesObject[] {
  return [
    serviceAccount(resolved),
    configSecret(resolved),
    persistentVolumeClaim(resolved),
    ...services(resolved),
    deployment(resolved),
    podDisruptionBudget(resolved),
  ].filter((object) => object !== undefined);
}
