/** URLs of other servers. Never echoed: people put credentials into URLs. */
import { fault, type Place } from './check.ts';

/**
 * Scheme, host and port, without a slash at the end; a host alone gets the scheme that `secure` says. `path`: whether one may
 * follow. `undefined` where nothing is written or it is reported.
 */
export function endpointUrl(
  place: Place,
  written: string | undefined,
  secure: boolean,
  path: 'nopath' | 'path' = 'nopath',
): string | undefined {
  if (written === undefined || written === '') return undefined;
  const scheme = secure ? 'https' : 'http';
  const url = URL.parse(/^[a-z][a-z0-9+.-]*:\/\//i.test(written) ? written : `${scheme}://${written}`);
  if (url === null || !/^https?:$/.test(url.protocol) || url.hostname === '') {
    fault(place, 'expected a URL with http:// or https:// and a host', `write ${scheme}://host:port`);
    return undefined;
  }
  const extra = url.username !== '' || url.password !== '' || url.search !== '' || url.hash !== '';
  if (extra || (path === 'nopath' && url.pathname !== '/')) {
    const parts = path === 'path' ? 'scheme, host and path' : 'scheme and host';
    fault(place, `expected ${parts} only`, `write ${url.protocol}//${url.host}`);
    return undefined;
  }
  return `${url.protocol}//${url.host}${path === 'path' ? url.pathname.replace(/\/+$/, '') : ''}`;
}
