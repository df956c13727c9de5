/**
 * `middleware.storage`: where clients are sent for bytes. Each is a store around another one, in the order of the file, and
 * changes nothing but the redirect URL.
 */
import type { S3Config, StorageMiddleware } from '../config/types.ts';
import type { Logger } from '../log.ts';
import type { RedirectOptions, Store } from './store.ts';

export interface RedirectDependencies {
  /** `undefined`: another driver, for which `cloudfront` does nothing. */
  readonly s3: Pick<S3Config, 'rootdirectory'> | undefined;
  readonly log: Logger;
  readonly now: () => Date;
}

export type RedirectUrl = (
  path: string,
  method: 'GET' | 'HEAD',
  options?: RedirectOptions,
) => Promise<string | undefined>;

/** Rejects with a sentence for people when a file that is named cannot be used. `close` of the result closes everything. */
export async function wrapRedirects(
  store: Store,
  middlewares: readonly StorageMiddleware[],
  dependencies: RedirectDependencies,
): Promise<Store> {
  let wrapped = store;
  for (const middleware of middlewares) wrapped = await wrap(wrapped, middleware, dependencies);
  return wrapped;
}

async function wrap(store: Store, middleware: StorageMiddleware, dependencies: RedirectDependencies): Promise<Store> {
  switch (middleware.name) {
    case 'redirect': {
      const base = baseOf(middleware.baseurl);
      return { ...store, redirectUrl: async (path) => base + path };
    }
    case 'rewrite':
      return {
        ...store,
        async redirectUrl(path, method, options) {
          const url = await store.redirectUrl(path, method, options);
          return url === undefined ? undefined : rewrite(url, middleware);
        },
      };
    case 'cloudfront': {
      const { s3, log } = dependencies;
      if (s3 === undefined) {
        log.warn({}, `middleware.storage: cloudfront works with s3 alone; ${store.name} goes on without it`);
        return store;
      }
      // Amazon's code is for those who configure it.
      const { createCloudFront } = await import('./redirect-cloudfront.ts');
      const cloudFront = await createCloudFront(middleware, { ...dependencies, s3, redirectUrl: store.redirectUrl });
      return {
        ...store,
        redirectUrl: cloudFront.redirectUrl,
        async close() {
          cloudFront.close();
          await store.close();
        },
      };
    }
  }
}

/** Scheme, host and path, without a slash at the end: Distribution drops whatever else stands there. */
function baseOf(text: string): string {
  const { protocol, host, pathname } = new URL(text);
  return `${protocol}//${host}${pathname.replace(/\/+$/, '')}`;
}

/** The text is taken apart and joined again as it stands: a signature in the query must not change by a letter. */
export function rewrite(url: string, change: Extract<StorageMiddleware, { name: 'rewrite' }>): string {
  const [, scheme, host, path = '', rest = ''] = /^([a-z][a-z0-9+.-]*):\/\/([^/?#]*)([^?#]*)(.*)$/is.exec(url) ?? [];
  if (scheme === undefined) return url;
  const prefix = change.trimpathprefix ?? '';
  const trimmed = [prefix, encodeURI(prefix)].find((start) => path.startsWith(start)) ?? '';
  const below = path.slice(trimmed.length);
  return `${change.scheme ?? scheme}://${change.host ?? host}${/^(\/|$)/.test(below) ? '' : '/'}${below}${rest}`;
}
