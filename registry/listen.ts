/** Listening: on `http.addr` (`host:port`, `:port`, `[::1]:port`, or a unix socket), or on a socket that systemd handed over. */
import { lstat, stat, unlink } from 'node:fs/promises';
import type { Server } from 'node:http';
import type { ListenOptions } from 'node:net';
import { dirname } from 'node:path';

export interface Address {
  /** The configuration's key that it came from, for messages. */
  readonly key: string;
  readonly net: 'tcp' | 'unix';
  readonly addr: string;
}

/** What systemd told: `LISTEN_PID`, `LISTEN_FDS`. */
export interface ActivationEnvironment {
  readonly LISTEN_PID?: string | undefined;
  readonly LISTEN_FDS?: string | undefined;
}

/** The first descriptor that systemd hands over (sd_listen_fds(3)). */
const FIRST_FD = 3;

/**
 * The descriptor of the one socket that systemd handed to the process `pid`; `undefined` if it handed none, or to another.
 * Throws a sentence for people if there are several: which of them is meant is nowhere said.
 */
export function activatedSocket(env: ActivationEnvironment, pid: number): number | undefined {
  const count = Number(env.LISTEN_FDS ?? 0);
  if (Number(env.LISTEN_PID) !== pid || !(count > 0)) return undefined;
  if (count === 1) return FIRST_FD;
  throw new Error(
    `systemd hands over ${count} sockets (LISTEN_FDS) where one is expected; list one in the .socket unit`,
  );
}

/** Resolves with the address for people, as `127.0.0.1:5000` or the socket's path. Rejects with a sentence for them. */
export async function listen(server: Server, { key, net, addr }: Address): Promise<string> {
  if (net === 'unix') {
    await removeStaleSocket(addr, key);
    return bind(server, { path: addr }, (error) => sentence(key, addr, error));
  }
  const colon = addr.lastIndexOf(':');
  const host = addr.slice(0, Math.max(0, colon)).replace(/^\[(.*)\]$/, '$1');
  const port = Number(addr.slice(colon + 1) || 0);
  // Without a host Node listens on IPv6 and IPv4, or on IPv4 alone where there is no IPv6, as Go does.
  return bind(server, host === '' ? { port } : { host, port }, (error) => sentence(key, addr, error));
}

/** Listens on a descriptor that is listening already. Resolves and rejects as `listen`. */
export const listenOn = (server: Server, fd: number): Promise<string> =>
  bind(
    server,
    { fd },
    ({ message }) =>
      `cannot listen on the socket that systemd hands over (descriptor ${fd}): ${message}; it must be one that accepts ` +
      'connections (ListenStream=, Accept=no)',
  );

async function bind(
  server: Server,
  options: ListenOptions & { readonly fd?: number },
  tell: (error: NodeJS.ErrnoException) => string,
): Promise<string> {
  await new Promise<void>((resolve, reject) => {
    // It stays when all went well: a connection that can't be accepted later (no descriptors left) must not end the process.
    server.on('error', (error) => reject(new Error(tell(error), { cause: error })));
    server.listen(options, resolve);
  });
  const bound = server.address();
  if (typeof bound === 'string') return bound;
  if (bound === null) return options.path ?? `descriptor ${options.fd}`;
  return bound.family === 'IPv6' ? `[${bound.address}]:${bound.port}` : `${bound.address}:${bound.port}`;
}

function sentence(key: string, addr: string, error: NodeJS.ErrnoException): string {
  const remedies: Record<string, string> = {
    EADDRINUSE: `another program listens there; end it or choose another ${key}`,
    EACCES: 'this user may not listen there; choose a port above 1023 or a folder that it may write to',
    EADDRNOTAVAIL: `this machine has no such address; correct ${key}`,
    ENOTFOUND: `the host name is unknown; correct ${key}`,
  };
  return `cannot listen on ${addr || 'a free port'}: ${remedies[error.code ?? ''] ?? error.message}`;
}

/** A socket file outlives its process. Anything else at that path is somebody's data. */
async function removeStaleSocket(path: string, key: string): Promise<void> {
  // Told here, since the system calls it a lack of permission when it comes to listening.
  const folder = await stat(dirname(path)).catch(() => undefined);
  if (!folder?.isDirectory())
    throw new Error(`cannot listen on ${path}: its folder does not exist; make it or correct ${key}`);
  const found = await lstat(path).catch(() => undefined);
  if (found === undefined) return;
  if (!found.isSocket()) throw new Error(`cannot listen on ${path}: it exists and is not a socket; correct ${key}`);
  await unlink(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return;
    throw new Error(`cannot listen on ${path}: the socket of an earlier run cannot be removed: ${error.message}`);
  });
}
