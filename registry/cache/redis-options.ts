/** `redis` of the configuration in the terms of the client library. Files are read once, at the start. */
import { readFile } from 'node:fs/promises';
import { createSecureContext, getCACertificates } from 'node:tls';
import type { RedisConfig, RedisTlsConfig } from '../config/types.ts';

/** A server's place: a host and port, or the path of a socket. */
export type RedisNode = { readonly host: string; readonly port: number } | { readonly path: string };

export interface RedisOptions {
  server(node: RedisNode): ReturnType<typeof clientOptions>;
  sentinel(node: RedisNode): ReturnType<typeof clientOptions>;
  /** For nodes that only the cluster names. */
  readonly clusterNode: ReturnType<typeof clientOptions>;
}

interface Login {
  readonly username: string | undefined;
  readonly password: string | undefined;
  readonly database?: number | undefined;
}

/** Rejects with a sentence for people if a file cannot be used. Never plain text where TLS was asked for. */
export async function readRedisOptions(config: RedisConfig): Promise<RedisOptions> {
  const { username, password, db, sentinelusername, sentinelpassword } = config;
  const tls = config.tls === undefined ? undefined : await readTls(config.tls);
  const isCluster = config.mastername === undefined && config.addrs.length > 1;
  const login = { username, password, database: isCluster ? undefined : db };
  return {
    server: (node) => clientOptions(config, node, tls, login),
    sentinel: (node) => clientOptions(config, node, tls, { username: sentinelusername, password: sentinelpassword }),
    clusterNode: clientOptions(config, {}, tls, login),
  };
}

/** `HOST:PORT`, `[IPV6]:PORT`, or the path of a socket. */
export function splitAddress(address: string): RedisNode {
  if (address.startsWith('/')) return { path: address };
  const [, bracketed, plain, port] = /^(?:\[([^\]]+)\]|(.*?))(?::(\d+))?$/.exec(address) ?? [];
  return { host: bracketed ?? plain ?? '', port: Number(port ?? 6379) };
}

type Tls = Awaited<ReturnType<typeof readTls>>;

function clientOptions(config: RedisConfig, node: RedisNode | object, tls: Tls | undefined, login: Login) {
  return {
    RESP: 2 as const,
    socket: {
      ...node,
      ...tls,
      connectTimeout: config.dialtimeout,
      // A broken connection is replaced as a whole, see `redis-session.ts`.
      reconnectStrategy: false as const,
    },
    ...(login.username === undefined ? {} : { username: login.username }),
    ...(login.password === undefined ? {} : { password: login.password }),
    ...(login.database ? { database: login.database } : {}),
    ...(config.clientname === undefined ? {} : { name: config.clientname }),
    // Old servers do not know it, and users with few rights may not.
    disableClientInfo: true,
    maintNotifications: 'disabled' as const,
    disableOfflineQueue: true,
    // A timer for each command would cost more than the command; `redis-session.ts` has its own.
    commandOptions: { timeout: 0 },
  };
}

async function readTls({ certificate, key, rootcas }: RedisTlsConfig) {
  const authorities = await Promise.all(rootcas.map((file, index) => readPem(`redis.tls.rootcas[${index}]`, file)));
  const pair =
    certificate === undefined || key === undefined
      ? {}
      : { cert: await readPem('redis.tls.certificate', certificate), key: await readPem('redis.tls.key', key) };
  const ca =
    authorities.length > 0 ? authorities : [...new Set([...getCACertificates('default'), ...systemAuthorities()])];
  try {
    createSecureContext({ ca, ...pair });
  } catch (error) {
    throw new Error(`redis.tls: certificate, key or rootcas cannot be used: ${(error as Error).message}`);
  }
  return { tls: true as const, ca, ...pair };
}

/** Machines without a store of certificates have none to add. */
function systemAuthorities(): readonly string[] {
  try {
    return getCACertificates('system');
  } catch {
    return [];
  }
}

async function readPem(place: string, file: string): Promise<string> {
  const text = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    const reason = error.code === 'ENOENT' ? 'there is no such file' : `cannot be read (${error.code})`;
    throw new Error(`${place}: ${file}: ${reason}`);
  });
  if (!text.includes('-----BEGIN ')) throw new Error(`${place}: ${file}: is not PEM`);
  return text;
}
