/** Where clients find this registry: the base of `Location` and `Link` (Distribution's order of sources). */
import type { IncomingMessage } from 'node:http';

export interface LocationConfig {
  readonly host: string | undefined;
  readonly prefix: string;
  readonly relativeurls: boolean;
}

/** What may stand in a URL's authority; anything else in a header is a client's mistake, or worse. */
const authority = /^[A-Za-z0-9._~:[\]-]{1,300}$/;

export type BaseUrl = (request: IncomingMessage) => string;

/**
 * Makes the function that gives the base of a request's URLs, without a trailing slash: `http.host`, else `Forwarded`
 * (RFC 7239, first element), else `X-Forwarded-Proto` and `-Host`, else the `Host` header; empty for relative URLs. Of two
 * kinds of forwarding headers one counts as a whole: a proxy that writes only one kind passes on what a client made up.
 */
export function createBaseUrl({ host, prefix, relativeurls }: LocationConfig): BaseUrl {
  const path = prefix.replace(/\/$/, '');
  if (host !== undefined) return () => host.replace(/\/$/, '');
  if (relativeurls) return () => path;
  return (request) => {
    const { headers } = request;
    const forwarded = parseForwarded(headers.forwarded);
    const { host: name = headers.host, proto } =
      (forwarded.host ?? forwarded.proto)
        ? forwarded
        : { host: first(headers['x-forwarded-host']), proto: first(headers['x-forwarded-proto']) };
    const given = proto?.toLowerCase();
    const scheme = given === 'https' || given === 'http' ? given : 'encrypted' in request.socket ? 'https' : 'http';
    return name !== undefined && authority.test(name) ? `${scheme}://${name}${path}` : path;
  };
}

const first = (header: string | readonly string[] | undefined): string | undefined => {
  const text = typeof header === 'string' ? header : header?.[0];
  return text?.split(',')[0]?.trim() || undefined;
};

function parseForwarded(header: string | undefined): { host?: string | undefined; proto?: string | undefined } {
  const pairs = (first(header) ?? '').split(';').map((pair) => {
    const [key = '', value = ''] = pair.split('=', 2);
    return [key.trim().toLowerCase(), value.trim().replace(/^"(.*)"$/, '$1')] as const;
  });
  const of = (key: string) => pairs.find(([name]) => name === key)?.[1];
  return { host: of('host'), proto: of('proto') };
}
