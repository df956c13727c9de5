/**
 * The names of a Registry's children, each made from the Registry's own name alone, so that a restarted operator finds them
 * again. The Service, the Deployment, the ServiceAccount and the PodDisruptionBudget carry the Registry's name itself.
 */

/** The Secret that holds the server's configuration file. */
export const configSecretName = (registry: string): string => `${registry}-config`;

/** The Secret with the key that signs upload states; made once if it is absent, never overwritten. */
export const httpSecretName = (registry: string): string => `${registry}-http`;

/** The key within the Secret above. */
export const HTTP_SECRET_KEY = 'secret';

/** The claim that `claimTemplate` makes. */
export const dataClaimName = (registry: string): string => `${registry}-data`;

/** The entry of `expose` that stands for the Service with the Registry's own name; it is there even when not listed. */
export const PRIMARY = 'default';

/** The Service of an entry of `expose`. */
export const serviceName = (registry: string, entry: string): string =>
  entry === PRIMARY ? registry : `${registry}-${entry}`;
