/** What each section says is fine, and together it can't be. */
import { below, fault, type Place, warn } from './check.ts';
import type { Config } from './types.ts';

/** Reports under the path of the key that has to change. */
export function checkTogether(config: Config, root: Place): void {
  const at = (...names: readonly string[]): Place => below(root, ...names);
  const { storage, redis, middleware, http } = config;
  if (storage.cache.blobdescriptor === 'redis' && redis === undefined) {
    fault(
      at('storage', 'cache', 'blobdescriptor'),
      'redis, and no address of one is configured',
      'write redis: {addrs: ["redis:6379"]}, or inmemory',
    );
  }
  if (storage.cache.blobdescriptor !== 'redis' && redis !== undefined) {
    warn(at('redis'), 'configured and unused', 'write storage: {cache: {blobdescriptor: redis}}, or take it out');
  }
  for (const [index, { name }] of middleware.storage.entries()) {
    if (name === 'cloudfront' && storage.driver.type !== 's3') {
      fault(
        at('middleware', 'storage', String(index)),
        `cloudfront works with storage.s3 alone, not with ${storage.driver.type}`,
        'take it out, or use the middleware redirect',
      );
    }
    if (storage.redirect.disable) {
      warn(
        at('middleware', 'storage', String(index)),
        `${name} has no effect, since storage.redirect.disable is set`,
        'take one of the two out',
      );
    }
  }
  if (
    http.debug.addr !== undefined &&
    http.net === 'tcp' &&
    http.debug.addr === http.addr &&
    !http.addr.endsWith(':0')
  ) {
    fault(at('http', 'debug', 'addr'), 'the same as http.addr', 'write another port, such as ":5001"');
  }
}
