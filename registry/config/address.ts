/** Addresses, paths and URLs that `http` takes. */
import { fault, type Place, warn } from './check.ts';

/** Longest path of a Unix socket that Linux takes, less its closing zero. */
const MAX_SOCKET_PATH = 107;

/** Whether a text is `host:port`, `:port` or `[v6]:port`. Ports are numbers from 0 to 65535. */
export function isHostPort(addr: string): boolean {
  const port = /^(?:\[[0-9a-fA-F:.]+(?:%[\w.-]+)?\]|[^\s:/[\]]*):(\d{1,5})$/.exec(addr)?.[1];
  return port !== undefined && Number(port) <= 65_535;
}

/** Reports an address that nothing can listen on. An empty one is fine. */
export function checkAddress(place: Place, addr: string, net: 'tcp' | 'unix'): void {
  if (addr === '') return;
  if (net === 'unix') {
    if (Buffer.byteLength(addr) > MAX_SOCKET_PATH) {
      fault(place, `a socket's path has at most ${MAX_SOCKET_PATH} bytes`, 'write a shorter one');
    }
    return;
  }
  if (isHostPort(addr)) return;
  const port = /^\d{2,5}$/.test(addr) && Number(addr) <= 65_535 ? addr : '5000';
  // A number alone, or a colon and one, means all addresses.
  const host = /^:?\d+$/.test(addr) ? '' : (/^([A-Za-z0-9.-]+)(?::\d*)?$/.exec(addr)?.[1] ?? '127.0.0.1');
  fault(place, `expected host:port, got ${addr.slice(0, 60)}`, `write "${host}:${port}"`);
}

/** `/…/`, or empty; a lone slash is the same as nothing. */
export function checkPrefix(place: Place, prefix: string): string {
  if (prefix === '' || prefix === '/') return '';
  if (!/^\/(?:[A-Za-z0-9._~%!$&'()*+,;=:@-]+\/)+$/.test(prefix)) {
    const inner = prefix.split('/').filter((part) => /^[\w.~-]+$/.test(part));
    const example = inner.length === 0 ? '/registry/' : `/${inner.join('/')}/`;
    fault(place, `expected a path that begins and ends with a slash, got ${prefix.slice(0, 60)}`, `write ${example}`);
    return '';
  }
  return prefix;
}

/**
 * The base of generated URLs: scheme and host count; of a path, what ends in a slash. Without one: no slash at the end.
 * Never echoed: people put credentials into URLs.
 */
export function checkHost(place: Place, host: string): string | undefined {
  if (host === '') return undefined;
  const url = URL.parse(host);
  if (url === null || !/^https?:\/\//i.test(host) || url.host === '') {
    const bare = /^[A-Za-z0-9.-]+(:\d+)?\/?$/.test(host);
    const example = bare ? `https://${host}` : 'https://registry.example.com';
    fault(place, 'expected a URL with http:// or https:// and a host', `write ${example}`);
    return undefined;
  }
  if (url.username !== '' || url.password !== '' || url.search !== '' || url.hash !== '') {
    fault(place, 'expected scheme, host and path only', `write ${url.protocol}//${url.host}`);
    return undefined;
  }
  const path = url.pathname.slice(0, url.pathname.lastIndexOf('/') + 1);
  if (path !== url.pathname) {
    warn(place, `the last part of the path has no effect: ${url.pathname.slice(path.length)}`, `end it with a slash`);
  }
  return `${url.protocol}//${url.host}${path === '/' ? '' : path}`;
}
