/** Listening on `http.addr`: `host:port`, `:port`, `[::1]:port`, or a unix socket. */
import { lstat, unlink } from 'node:fs/promises';
import type { Server } from 'node:http';

export interface Address {
  /** The configuration's key that it came from, for messages. */
  readonly key: string;
  readonly net: 'tcp' | 'unix';
  readonly addr: string;
}

/** Resolves with the address for people, as `127.0.0.1:5000` or the socket's path. Rejects with a sentence for them. */
export async function listen(server: Server, { key, net, addr }: Address): Promise<string> {
  if (net === 'unix') await removeStaleSocket(addr, key);
  const colon = addr.lastIndexOf(':');
  const host = addr.slice(0, Math.max(0, colon)).replace(/^\[(.*)\]$/, '$1');
  const port = Number(addr.slice(colon + 1) || 0);
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => reject(new Error(sentence(key, addr, error))));
    const done = (): void => resolve();
    // Without a host Node listens on IPv6 and IPv4, or on IPv4 alone where there is no IPv6, as Go does.
    if (net === 'unix') server.listen({ path: addr }, done);
    else if (host === '') server.listen(port, done);
    else server.listen({ host, port }, done);
  });
  const bound = server.address();
  if (typeof bound === 'string' || bound === null) return addr;
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
  const stat = await lstat(path).catch(() => undefined);
  if (stat === undefined) return;
  if (!stat.isSocket()) throw new Error(`cannot listen on ${path}: it exists and is not a socket; correct ${key}`);
  await unlink(path);
}
