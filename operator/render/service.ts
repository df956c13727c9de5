import type { V1ServiceSpec } from '@kubernetes/client-node';
import type { Resolved, ResolvedExposure } from '../api/resolved.ts';
import { childMetadata, podLabels } from './labels.ts';
import type { KubernetesObject } from './object.ts';

/**
 * The Services, one for each exposure. The first carries the Registry's name, so that `NAME.NAMESPACE.svc:PORT` reaches it. None
 * shows the port of probes and metrics.
 */
export function services(resolved: Resolved): KubernetesObject[] {
  return resolved.exposures.map((exposure) => service(resolved, exposure));
}

function service(resolved: Resolved, exposure: ResolvedExposure): KubernetesObject {
  const { annotations, type, port, nodePort } = exposure;
  const spec: V1ServiceSpec = {
    type,
    selector: podLabels(resolved),
    ports: [{ name: 'http', protocol: 'TCP', port, targetPort: 'http', ...(nodePort !== undefined && { nodePort }) }],
    ...(exposure.externalTrafficPolicy && { externalTrafficPolicy: exposure.externalTrafficPolicy }),
    ...(exposure.loadBalancerClass && { loadBalancerClass: exposure.loadBalancerClass }),
    ...(exposure.loadBalancerSourceRanges && { loadBalancerSourceRanges: exposure.loadBalancerSourceRanges }),
  };
  const metadata = { ...childMetadata(resolved, exposure.serviceName), ...(annotations && { annotations }) };
  return { apiVersion: 'v1', kind: 'Service', metadata, spec };
}
