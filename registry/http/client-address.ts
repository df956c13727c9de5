/** Where a request came from, as far as that can be known behind proxies. */
import type { IncomingMessage } from 'node:http';
import { isIP } from 'node:net';

/** The other end of a connection. Over a unix socket there is none: `@`, as Go prints it. */
export interface Peer {
  /** An IP address without its port; an IPv4 one as such, also on a socket for both. */
  readonly host: string;
  /** `192.0.2.7:4711`, `[2001:db8::7]:4711`. */
  readonly address: string;
}

/** Has to be asked while the connection stands; Node forgets it afterwards unless it was asked before. */
export function peerOf({ socket }: IncomingMessage): Peer {
  const { remoteAddress, remotePort } = socket;
  if (remoteAddress === undefined) return { host: '@', address: '@' };
  const host =
    remoteAddress.startsWith('::ffff:') && remoteAddress.includes('.') ? remoteAddress.slice(7) : remoteAddress;
  return { host, address: host.includes(':') ? `[${host}]:${remotePort}` : `${host}:${remotePort}` };
}

/** What proxies say: the first address of `X-Forwarded-For`, else `X-Real-Ip`, each only if it is an IP address. */
export const forwardedAddress = ({ headers }: IncomingMessage): string | undefined =>
  addressIn(headers['x-forwarded-for']) ?? addressIn(headers['x-real-ip']);

/**
 * The client's IP address in Distribution's order: what proxies say, else the connection's. The headers are the client's own
 * word where no proxy sets them: good for choosing a download server, never for access control.
 */
export const clientAddress = (request: IncomingMessage): string | undefined =>
  forwardedAddress(request) ?? request.socket.remoteAddress;

function addressIn(header: string | readonly string[] | undefined): string | undefined {
  const text = typeof header === 'string' ? header : header?.[0];
  if (text === undefined) return undefined;
  const comma = text.indexOf(',');
  const first = (comma === -1 ? text : text.slice(0, comma)).trim();
  return isIP(first) === 0 ? undefined : first;
}
