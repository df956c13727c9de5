/**
 * Repository names contain slashes, route parameters cannot. Before routing, the slashes of the name are folded to `%2F`, so
 * that ordinary routes match and each has one label. Pure.
 */

/** Tails of the paths below `/v2/`, from the end: how many components follow the name. */
function tailLength(parts: readonly string[]): number | undefined {
  const last = parts.at(-1);
  const second = parts.at(-2);
  if (second === 'uploads' && parts.at(-3) === 'blobs') return 3;
  if (second === 'blobs' || second === 'manifests' || second === 'referrers') return 2;
  return second === 'tags' && last === 'list' ? 2 : undefined;
}

/**
 * Folds the name of a `/v2/` URL (path and query, as in the request line). The last marker counts, since a name may itself
 * contain `blobs` or `manifests`. Anything else comes back as it was.
 *
 * `prefix` is `/` or the configured one, with both slashes.
 */
export function foldName(url: string, prefix: string): string {
  const start = `${prefix}v2/`;
  if (!url.startsWith(start)) return url;
  const query = url.indexOf('?');
  const path = query === -1 ? url : url.slice(0, query);
  const parts = path.slice(start.length).split('/');
  const tail = tailLength(parts);
  if (tail === undefined || parts.length <= tail) return url;
  const name = parts.slice(0, -tail).join('%2F');
  return `${start}${name}/${parts.slice(-tail).join('/')}${query === -1 ? '' : url.slice(query)}`;
}

const untidy = /\/\/|\/\.\.?(?:\/|$)/;

/**
 * The path that a client means who glued a base with a slash at its end to `/v2/…`, or wrote `.` or `..`: Distribution
 * sends it there with a 301. `undefined` if the URL is as it should be. The result is always a path of this host.
 */
export function tidied(url: string): string | undefined {
  const query = url.indexOf('?');
  const path = query === -1 ? url : url.slice(0, query);
  if (!untidy.test(path)) return undefined;
  const kept: string[] = [];
  for (const part of path.split('/')) {
    if (part === '..') kept.pop();
    else if (part !== '' && part !== '.') kept.push(part);
  }
  const end = path.endsWith('/') && kept.length > 0 ? '/' : '';
  return `/${kept.join('/')}${end}${query === -1 ? '' : url.slice(query)}`;
}

/** Ends of paths that have no slash behind them, with one. */
const oneSlashTooMany = /\/(?:_catalog|tags\/list|(?:manifests|blobs|blobs\/uploads|referrers)\/[^/]+)\/(?=$|\?)/;

/** The same without that slash, for a URL that leads nowhere; `undefined` if there is none. Distribution's 301 again. */
export const withoutSlash = (url: string): string | undefined =>
  oneSlashTooMany.test(url) ? url.replace(/\/(?=$|\?)/, '') : undefined;
