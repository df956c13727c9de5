/** Shared caches, as garbage collection sees them: told of what was deleted, so that nobody believes in it any more. */
import type { Config } from '../config/types.ts';
import type { Logger } from '../log.ts';
import type { Digest } from '../oci/digest.ts';
import type { RepositoryName } from '../oci/name.ts';
import { openDescriptors } from './open.ts';

export interface CollectedCaches {
  /** Never rejects: this registry finds out by itself what is gone, within a minute. */
  forget(name: RepositoryName | undefined, digest: Digest): Promise<void>;
  /** Tells what could not be told so far, as long as connecting may take, and warns of what is left. */
  close(): Promise<void>;
}

export async function openCaches(config: Pick<Config, 'storage' | 'redis'>, log: Logger): Promise<CollectedCaches> {
  const descriptors = await openDescriptors({
    config,
    // Nothing is noted here.
    isMember: async () => false,
    metrics: { requested() {}, hit() {}, failed() {}, observeRedis() {} },
    log: { ...log, info: log.debug },
    now: Date.now,
    clock: () => performance.now(),
    random: Math.random,
  });
  return {
    async forget(name, digest) {
      await descriptors.clear([{ name, digest }]);
    },
    async close() {
      const left = await descriptors.close({ wait: config.redis?.dialtimeout ?? 0 });
      if (left === 0) return;
      const message = 'redis: what was deleted could not be cleared; if Distribution uses it too, empty it (FLUSHDB)';
      log.warn({ entries: left }, message);
    },
  };
}
