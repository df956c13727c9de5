/** How much the caches spare: Distribution's counters for blob descriptors (3.x's and 2.x's names), ours for content. */
import type { Metric } from 'prom-client';
import { cells, type Distribution, histograms, keep, reading } from './meters.ts';
import { SECONDS } from './storage.ts';

/** The cache of blob descriptors, wherever it lies. Each request is counted once, then perhaps as a hit or a failure. */
export interface DescriptorCacheMetrics {
  requested(): void;
  hit(): void;
  /** The cache could not be asked; the storage was. */
  failed(): void;
  /** One exchange with Redis: `Stat`, `SetDescriptor`, `RepoStat`, `RepoSetDescriptor` as Distribution names them, or `Clear`. */
  observeRedis(operation: string, seconds: number): void;
}

/** Verified bytes kept in memory: manifests, configurations and other small blobs. */
export interface ContentCacheMetrics {
  hit(): void;
  missed(): void;
}

export function createDescriptorCacheMetrics(register: (metric: Metric) => void): DescriptorCacheMetrics {
  const counts = { requests: 0, hits: 0, errors: 0 };
  const count = (rest: string, help: string, read: () => number): void =>
    register(reading('counter', `registry_storage_cache_${rest}_total`, help, read));
  count('requests', 'The number of cache request received', () => counts.requests);
  count('hits', 'The number of cache requests that the cache answered', () => counts.hits);
  count('errors', 'The number of cache request errors', () => counts.errors);
  const older = 'registry_storage_cache_total';
  register(
    reading('counter', older, 'The same under the name of 2.x.', () => [
      [{ type: 'Request' }, counts.requests],
      [{ type: 'Hit' }, counts.hits],
      [{ type: 'Miss' }, counts.requests - counts.hits],
    ]),
  );
  const redis = histograms('registry_storage_cache_redis_seconds', 'Time of exchanges with Redis.', SECONDS);
  register(redis.metric);
  const operations = new Map<string, Distribution>();
  return {
    requested() {
      counts.requests += 1;
    },
    hit() {
      counts.hits += 1;
    },
    failed() {
      counts.errors += 1;
    },
    observeRedis(operation, seconds) {
      (operations.get(operation) ?? keep(operations, operation, redis.child({ operation }))).observe(seconds);
    },
  };
}

export function createContentCacheMetrics(register: (metric: Metric) => void): ContentCacheMetrics {
  const lookups = cells('counter', 'registry_content_cache_requests_total', 'Content looked for in memory.');
  register(lookups.metric);
  const hits = lookups.child({ result: 'hit' });
  const misses = lookups.child({ result: 'miss' });
  return {
    hit() {
      hits.value += 1;
    },
    missed() {
      misses.value += 1;
    },
  };
}
