import { PRIMARY } from './names.ts';
import type { Resolved, ResolvedExposure } from './resolved.ts';
import type { Endpoint } from './types.ts';

/**
 * Where the registry is reached, for `status.endpoints`.
 *
 * @param addresses the address that a load balancer or the user gave to a Service, by the Service's name. A NodePort is reached at
 *   any node's address, which nobody knows here: its entry carries no host.
 */
export function endpoints(resolved: Resolved, addresses: Readonly<Record<string, string>> = {}): Endpoint[] {
  return resolved.exposures.map((exposure) => {
    const host = hostOf(resolved, exposure, addresses[exposure.serviceName]);
    const { name, type } = exposure;
    if (host === undefined) return { name, type };
    return { name, type, host, url: `http://${host}${resolved.http.prefix ?? '/'}` };
  });
}

function hostOf(resolved: Resolved, exposure: ResolvedExposure, address: string | undefined): string | undefined {
  if (exposure.name === PRIMARY || exposure.type === 'ClusterIP') {
    return `${exposure.serviceName}.${resolved.namespace}.svc:${exposure.port}`;
  }
  if (exposure.type === 'LoadBalancer' && address !== undefined) {
    return `${address.includes(':') ? `[${address}]` : address}:${exposure.port}`;
  }
  return undefined;
}
