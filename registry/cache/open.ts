/** From the configuration to a descriptor cache: the one place that knows them all. */
import type { Config } from '../config/types.ts';
import type { Logger } from '../log.ts';
import type { DescriptorCacheMetrics } from '../metrics.ts';
import { type Descriptors, noDescriptors } from '../service/descriptors.ts';
import { createMemoryDescriptors } from './memory.ts';
import { createRedisDescriptors, type RedisDescriptorsOptions } from './redis.ts';
import { createDial } from './redis-link.ts';
import { readRedisOptions } from './redis-options.ts';
import { createRedisSession } from './redis-session.ts';

export interface OpenDescriptorsOptions extends Omit<RedisDescriptorsOptions, 'connect'> {
  readonly config: Pick<Config, 'storage' | 'redis'>;
  readonly metrics: DescriptorCacheMetrics;
  readonly log: Logger;
  /** From 0 to 1. */
  readonly random: () => number;
}

/** Commands under way at once, at least; a larger `redis.poolsize` counts. They share one connection to each server. */
const leastUnderWay = 256;

/**
 * Waits for no connection: that is made in the background, and until it stands nothing is remembered. Rejects with a sentence
 * for people when a file of `redis.tls` cannot be used.
 */
export async function openDescriptors(options: OpenDescriptorsOptions): Promise<Descriptors> {
  const { config, log } = options;
  const { blobdescriptor, blobdescriptorsize } = config.storage.cache;
  // A look at a file is cheaper than any cache, and always right. What others believe is kept right nevertheless.
  const isLocal = config.storage.driver.type === 'filesystem' || config.storage.driver.type === 'inmemory';
  if (blobdescriptor === undefined) return noDescriptors;
  if (isLocal)
    log.debug({}, `storage.cache: ${config.storage.driver.type} is asked itself each time, which is quicker`);
  else log.info({}, `using ${blobdescriptor} blob descriptor cache`);
  if (blobdescriptor === 'inmemory') {
    return isLocal ? noDescriptors : createMemoryDescriptors({ ...options, size: blobdescriptorsize });
  }
  const { redis } = config;
  if (redis === undefined) return noDescriptors;
  const dial = createDial(redis, await readRedisOptions(redis));
  const descriptors = createRedisDescriptors({
    ...options,
    connect: (onUp) =>
      createRedisSession({
        ...options,
        dial,
        dialTimeout: redis.dialtimeout,
        most: Math.max(leastUnderWay, redis.poolsize),
        onUp,
      }),
  });
  return isLocal ? { ...noDescriptors, clear: descriptors.clear, close: descriptors.close } : descriptors;
}
