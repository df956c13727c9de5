/** Listings in pages: tags (end-8a, 8b), the catalog (Distribution's), and `Link` (RFC 8288). */
import { fault } from '../oci/error.ts';
import type { Listing } from '../service/tags.ts';
import type { Answer } from './answer.ts';
import type { Call, Handler, HttpDependencies } from './call.ts';
import { countParam, nameParam, single } from './params.ts';

/** Names in a page of the catalog when the client does not say. */
const defaultCatalog = 100;

export function createListingHandlers(dependencies: HttpDependencies): { tags: Handler; catalog: Handler } {
  const { services, maxTags, maxCatalog } = dependencies;
  /** A listing that has not changed is the same object, and so is its body. */
  const bodies = new WeakMap<Listing, Buffer>();

  function answer(call: Call, listing: Listing, count: number, json: (names: readonly string[]) => object): Answer {
    let body = bodies.get(listing);
    if (body === undefined) {
      body = Buffer.from(`${JSON.stringify(json(listing.names))}\n`);
      bodies.set(listing, body);
    }
    const last = listing.names.at(-1);
    return {
      status: 200,
      headers: { ...jsonType, ...(listing.more && last ? nextLink(call, { last, n: count }) : {}) },
      body,
    };
  }

  return {
    async tags(call) {
      const name = nameParam(call.params.name);
      const asked = countParam(call.query['n']);
      const after = single(call.query['last']);
      const limit = asked === undefined ? undefined : Math.min(asked, maxTags);
      // n=0 gives an empty list, but still only for a repository that exists.
      const listing = await services.tags.list(name, { after, limit: limit === 0 ? 1 : limit, signal: call.signal });
      if (listing === undefined && !(await services.manifests.exist(name, call))) {
        throw fault('NAME_UNKNOWN', undefined, { name });
      }
      const found = listing === undefined || limit === 0 ? { names: [], more: false } : listing;
      return answer(call, found, limit ?? 0, (tags) => ({ name, tags }));
    },

    async catalog(call) {
      const asked = countParam(call.query['n']);
      if (asked !== undefined && asked > maxCatalog) {
        throw fault('PAGINATION_NUMBER_INVALID', `n must be at most ${maxCatalog}`, { n: asked });
      }
      const limit = asked ?? Math.min(defaultCatalog, maxCatalog);
      const after = single(call.query['last']);
      const listing =
        limit === 0 ? { names: [], more: false } : await services.catalog.list({ after, limit, signal: call.signal });
      return answer(call, listing, limit, (repositories) => ({ repositories }));
    },
  };
}

const jsonType = { 'content-type': 'application/json' };

/** `Link: <…>; rel="next"` to the same listing with these parameters, keys sorted, relative to this host. */
export function nextLink(call: Call, parameters: Readonly<Record<string, string | number>>): { link: string } {
  const path = call.originalUrl.split('?', 1)[0];
  const query = Object.entries(parameters)
    .sort(([one], [other]) => (one < other ? -1 : 1))
    .map(([key, value]) => `${key}=${encodeURIComponent(value)}`);
  return { link: `<${path}?${query.join('&')}>; rel="next"` };
}
