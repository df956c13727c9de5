import type { OperatorError } from '../error.ts';
import { type Resource, resources } from '../kube/resources.ts';

/** What of a logger is needed here. */
interface Log {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
}

/**
 * Tells about watches that fail, once for each cause and not once for each try: when the API server is away, all of them fail for
 * the same reason again and again.
 */
export function createTroubles(log: Log): (resource: Resource, error: OperatorError | undefined) => void {
  const current = new Map<string, string>();
  return (resource, error) => {
    if (error === undefined) {
      if (current.delete(resource.plural) && current.size === 0) log.info({}, 'the API server answers again');
      return;
    }
    const cause = causeOf(resource, error);
    const known = [...current.values()].includes(cause);
    current.set(resource.plural, cause);
    if (!known) log.warn({ error: cause, resource: resource.plural }, 'a watch fails, it is tried again');
  };
}

function causeOf(resource: Resource, error: OperatorError): string {
  if (error.code === 'notFound' && resource === resources.registry) {
    return 'the cluster does not know the resource registries.berth.dev: install it with `kubectl apply -k crds`';
  }
  return error.message.replace(/^(list|watch) \S+( in \S+)?: /, '');
}
