/**
 * Kubernetes gives every Pod variables for each Service of its namespace, unless `enableServiceLinks` is false:
 * `NAME_SERVICE_HOST`, `NAME_SERVICE_PORT[_PORTNAME]`, `NAME_PORT=tcp://…` and `NAME_PORT_5000_TCP[_PROTO|_PORT|_ADDR]`.
 * A Service called `registry` or `registry-auth` thus writes names that look like configuration.
 */

export interface ServiceLink {
  /** As far as it can be told from the variables: `REGISTRY_AUTH` stands for `registry-auth`. */
  readonly service: string;
  readonly variables: readonly string[];
}

const PORT_URL = /^(tcp|udp|sctp):\/\//i;

/** The Services that left such variables among `names`. `NAME_SERVICE_HOST` or a port's URL gives a Service away. */
export function findServiceLinks(
  names: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
): readonly ServiceLink[] {
  const services = new Set<string>();
  for (const name of names) {
    const byHost = /^(.+)_SERVICE_HOST$/.exec(name)?.[1];
    if (byHost !== undefined && names.includes(`${byHost}_SERVICE_PORT`)) services.add(byHost);
    const byUrl = /^(.+?)_PORT(?:_\d+_(?:TCP|UDP|SCTP))?$/.exec(name)?.[1];
    if (byUrl !== undefined && PORT_URL.test(env[name] ?? '')) services.add(byUrl);
  }
  return [...services].sort().map((service) => ({
    service: service.toLowerCase().replaceAll('_', '-'),
    variables: names.filter((name) => isLinkOf(service, name)).sort(),
  }));
}

function isLinkOf(service: string, name: string): boolean {
  if (!name.startsWith(`${service}_`)) return false;
  const rest = name.slice(service.length + 1);
  return /^(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT(_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)?)$/.test(rest);
}
