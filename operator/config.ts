/**
 * The operator's own settings. This is the only file of the program that knows the names of environment variables; `main`
 * hands it the environment.
 */

/** The image that the manifests of this version deploy. */
export const DEFAULT_IMAGE = 'localhost/berth:0.1.0';

const LEVELS = ['error', 'warn', 'info', 'debug'] as const;
const FORMATS = ['text', 'json'] as const;

export interface OperatorConfig {
  /** `BERTH_IMAGE`: the image of a Registry that names none. */
  readonly image: string;
  /** `BERTH_NAMESPACES`: the namespaces whose Registries are looked after; none given means all. */
  readonly namespaces: readonly string[];
  readonly log: { readonly level: (typeof LEVELS)[number]; readonly format: (typeof FORMATS)[number] };
  /** `BERTH_PROBES_PORT`: where `/healthz` and `/readyz` are, on all addresses. */
  readonly probesPort: number;
  /** `BERTH_METRICS_PORT`: where `/metrics` is, on all addresses. It may be the port of the probes. */
  readonly metricsPort: number;
  /** `BERTH_WORKERS`: how many Registries are worked on at once. */
  readonly workers: number;
}

type Environment = Readonly<Record<string, string | undefined>>;

/** Settings that cannot be used, all of them at once. */
export interface ConfigFaults {
  /** One line each: the variable, what is wrong with it and what would be right. */
  readonly faults: readonly string[];
}

/** Reads the settings; an empty variable counts as absent. */
export function readConfig(env: Environment): { readonly config: OperatorConfig } | ConfigFaults {
  const faults: string[] = [];
  const text = (name: string, fallback: string): string => env[name] || fallback;

  const oneOf = <Value extends string>(name: string, values: readonly Value[], fallback: Value): Value => {
    const given = text(name, fallback).toLowerCase();
    const value = values.find((candidate) => candidate === given);
    if (value === undefined) faults.push(`${name} is "${given}": it must be one of ${values.join(', ')}`);
    return value ?? fallback;
  };

  const integer = (name: string, fallback: number, minimum: number, maximum: number): number => {
    const given = text(name, String(fallback));
    const value = /^\d+$/.test(given) ? Number(given) : Number.NaN;
    if (value >= minimum && value <= maximum) return value;
    faults.push(`${name} is "${given}": it must be a whole number from ${minimum} to ${maximum}`);
    return fallback;
  };

  const namespaces = text('BERTH_NAMESPACES', '')
    .split(',')
    .map((name) => name.trim())
    .filter((name) => name !== '');
  for (const name of namespaces) {
    if (!/^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/.test(name)) {
      faults.push(`BERTH_NAMESPACES holds "${name}", which is no name of a namespace: separate names by commas`);
    }
  }

  const config: OperatorConfig = {
    image: text('BERTH_IMAGE', DEFAULT_IMAGE),
    namespaces,
    log: { level: oneOf('BERTH_LOG_LEVEL', LEVELS, 'info'), format: oneOf('BERTH_LOG_FORMAT', FORMATS, 'json') },
    probesPort: integer('BERTH_PROBES_PORT', 8081, 1, 65535),
    metricsPort: integer('BERTH_METRICS_PORT', 8080, 1, 65535),
    workers: integer('BERTH_WORKERS', 4, 1, 64),
  };
  return faults.length > 0 ? { faults } : { config };
}

/** How a cluster is found when the command line names none. */
export interface ClusterEnvironment {
  /** `KUBECONFIG`: files, merged as kubectl does. */
  readonly kubeconfig: readonly string[];
  /** `KUBERNETES_SERVICE_HOST` and `KUBERNETES_SERVICE_PORT`, which every Pod has. */
  readonly service: { readonly host: string; readonly port: string } | undefined;
}

/** Reads what tells about the cluster; an empty variable counts as absent. */
export function readClusterEnvironment(env: Environment): ClusterEnvironment {
  const { KUBECONFIG = '', KUBERNETES_SERVICE_HOST: host, KUBERNETES_SERVICE_PORT: port } = env;
  return {
    kubeconfig: KUBECONFIG.split(':').filter((file) => file !== ''),
    service: host && port ? { host, port } : undefined,
  };
}
