import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { OperatorError } from '../error.ts';

/** What one connection to the API server is made with. */
export interface Access {
  /** Scheme, host and port. */
  origin: string;
  /** Path before `/api` and `/apis`, without a slash at its end; usually empty. */
  prefix: string;
  /** `http://` or `https://` proxy to go through. */
  proxy?: string;
  tls: {
    ca?: string | Buffer;
    cert?: string | Buffer;
    key?: string | Buffer;
    servername?: string;
    rejectUnauthorized?: boolean;
  };
  /** Authorization and impersonation. */
  headers: Record<string, string>;
  /** Changes when connections must be made anew: another server, CA or client certificate. */
  id: string;
}

export interface Credentials {
  /** Where they come from, for messages: a path, or `service account`. */
  readonly source: string;
  /** What the next request is made with; files and plugins are asked again at most once a minute, as client-go does. */
  access(): Promise<Access>;
  /** Forgets everything read so far, after the server answered 401. */
  refresh(): void;
}

/** Where credentials may be found. Paths and variables come from the command line and `operator/config`. */
export interface CredentialOptions {
  /** Kubeconfig files; several are merged, the first to name a thing wins. Absent: the Pod's service account. */
  kubeconfig: readonly string[] | undefined;
  /** `KUBERNETES_SERVICE_HOST` and `KUBERNETES_SERVICE_PORT`. */
  service: { host: string; port: string } | undefined;
  /** Folder with `token` and `ca.crt`; `/var/run/secrets/kubernetes.io/serviceaccount` in a Pod. */
  serviceAccountDir: string;
  /** Milliseconds since the epoch. */
  now: () => number;
}

const rereadMs = 60_000;

/**
 * Picks a kubeconfig where one is named, else the Pod's service account. Throws `config` where there is neither. Nothing is read yet.
 */
export function openCredentials(options: CredentialOptions): Credentials {
  const { kubeconfig, service, serviceAccountDir, now } = options;
  if (kubeconfig !== undefined && kubeconfig.length > 0) {
    return remembered(kubeconfig.join(':'), now, kubeconfigReader(kubeconfig));
  }
  if (service !== undefined) {
    return remembered('service account', now, () => () => readServiceAccount(service, serviceAccountDir));
  }
  throw new OperatorError(
    'config',
    'no cluster is configured: give --kubeconfig FILE, set KUBECONFIG, or run in a Pod with a service account',
  );
}

/** Keeps what `open()` reads for a minute. `open` makes a reader with an empty memory of its own. */
function remembered(source: string, now: () => number, open: () => () => Promise<Access>): Credentials {
  let read: (() => Promise<Access>) | undefined;
  let last: { at: number; access: Promise<Access> } | undefined;
  return {
    source,
    access() {
      if (last === undefined || now() - last.at >= rereadMs) {
        read ??= open();
        const access = read();
        const entry = { at: now(), access };
        last = entry;
        access.catch(() => {
          if (last === entry) last = undefined;
        });
      }
      return last.access;
    },
    refresh() {
      read = undefined;
      last = undefined;
    },
  };
}

function finish(access: Omit<Access, 'id'>): Access {
  const { origin, proxy, tls } = access;
  const hash = createHash('sha256');
  for (const part of [origin, proxy, tls.ca, tls.cert, tls.key, tls.servername, String(tls.rejectUnauthorized)]) {
    hash.update(part ?? '').update('\0');
  }
  return { ...access, id: hash.digest('hex') };
}

async function readServiceAccount(service: { host: string; port: string }, dir: string): Promise<Access> {
  const [token, ca] = await Promise.all([readFile(join(dir, 'token'), 'utf8'), readFile(join(dir, 'ca.crt'))]).catch(
    (cause: unknown) => {
      throw new OperatorError('config', `the Pod's service account is not mounted at ${dir}: ${messageOf(cause)}`, {
        cause,
      });
    },
  );
  const host = service.host.includes(':') ? `[${service.host}]` : service.host;
  return finish({
    origin: `https://${host}:${service.port}`,
    prefix: '',
    tls: { ca },
    headers: { authorization: `Bearer ${token.trim()}` },
  });
}

/**
 * Certificates, tokens, token files, exec plugins, OIDC and impersonation, all by client-node. It is imported here and only now: it costs
 * a Pod that does not need it 80 MB.
 */
function kubeconfigReader(files: readonly string[]): () => () => Promise<Access> {
  return () => {
    let loaded: Promise<import('@kubernetes/client-node').KubeConfig> | undefined;
    return async () => {
      loaded ??= load(files);
      const config = await loaded;
      const cluster = config.getCurrentCluster();
      if (cluster === null) {
        throw new OperatorError(
          'config',
          `kubeconfig ${files.join(':')}: the current context names no cluster of the file`,
        );
      }
      const options: HttpsOptions = { headers: {} };
      await config.applyToHTTPSOptions(options).catch((cause: unknown) => {
        throw new OperatorError(
          'unauthorized',
          `kubeconfig ${files.join(':')}: cannot get credentials: ${messageOf(cause)}`,
          { cause },
        );
      });
      return finish(accessOf(cluster, options, files));
    };
  };
}

type HttpsOptions = import('node:https').RequestOptions;

function accessOf(
  cluster: { server: string; proxyUrl?: string | undefined },
  options: HttpsOptions,
  files: readonly string[],
): Omit<Access, 'id'> {
  let url: URL;
  try {
    url = new URL(cluster.server);
  } catch (cause) {
    throw new OperatorError(
      'config',
      `kubeconfig ${files.join(':')}: server ${JSON.stringify(cluster.server)} is no URL`,
      { cause },
    );
  }
  if (cluster.proxyUrl?.startsWith('socks')) {
    throw new OperatorError(
      'config',
      `kubeconfig ${files.join(':')}: proxy-url: a SOCKS proxy is not supported; use an HTTP proxy`,
    );
  }
  const headers: Record<string, string> = {};
  for (const [name, value] of Object.entries(options.headers ?? {})) {
    if (value !== undefined) headers[name.toLowerCase()] = String(value);
  }
  if (typeof options.auth === 'string')
    headers['authorization'] = `Basic ${Buffer.from(options.auth).toString('base64')}`;
  const { ca, cert, key, servername, rejectUnauthorized } = options;
  return {
    origin: url.origin,
    prefix: url.pathname.replace(/\/+$/, ''),
    ...(cluster.proxyUrl ? { proxy: cluster.proxyUrl } : {}),
    tls: {
      ...(isPem(ca) ? { ca } : {}),
      ...(isPem(cert) ? { cert } : {}),
      ...(isPem(key) ? { key } : {}),
      ...(servername === undefined ? {} : { servername }),
      ...(rejectUnauthorized === undefined ? {} : { rejectUnauthorized }),
    },
    headers,
  };
}

async function load(files: readonly string[]): Promise<import('@kubernetes/client-node').KubeConfig> {
  const { KubeConfig } = await import('@kubernetes/client-node');
  const config = new KubeConfig();
  for (const [index, file] of files.entries()) {
    const one = index === 0 ? config : new KubeConfig();
    try {
      one.loadFromFile(file);
    } catch (cause) {
      throw new OperatorError('config', `kubeconfig ${file} cannot be read: ${messageOf(cause)}`, { cause });
    }
    if (one !== config) merge(config, one);
  }
  // client-node takes plain HTTP (kubectl proxy) only from who says that nothing is to be verified, which is so.
  config.clusters = config.clusters.map((one) =>
    one.server.startsWith('http:') ? { ...one, skipTLSVerify: true } : one,
  );
  return config;
}

/** kubectl's rule for several files: the first to name a thing wins. client-node's own merge throws on a name met twice. */
function merge(
  into: import('@kubernetes/client-node').KubeConfig,
  from: import('@kubernetes/client-node').KubeConfig,
): void {
  for (const one of from.getClusters()) if (into.getCluster(one.name) === null) into.addCluster(one);
  for (const one of from.getUsers()) if (into.getUser(one.name) === null) into.addUser(one);
  for (const one of from.getContexts()) if (into.getContextObject(one.name) === null) into.addContext(one);
  into.currentContext ||= from.currentContext;
}

function isPem(value: unknown): value is string | Buffer {
  return typeof value === 'string' || Buffer.isBuffer(value);
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
