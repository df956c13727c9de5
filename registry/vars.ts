/** What `/debug/vars` shows, under the names that Go's expvar and Distribution gave it. No secrets. */
import { getHeapStatistics } from 'node:v8';
import type { RedisConfig } from './config/types.ts';
import { redactFields, redactText } from './log/redact.ts';

export interface VarsDependencies {
  /** The command line, program first. */
  readonly argv: readonly string[];
  /** `undefined`: none is configured; then Distribution shows nothing of it either. */
  readonly redis: RedisConfig | undefined;
  /** Connections to Redis that are busy. */
  readonly redisActive?: () => number;
}

const untouched = { Requests: 0, Hits: 0, Misses: 0, BytesPulled: 0, BytesPushed: 0 };

/** `registry.notifications` and `registry.proxy` are there whether used or not, as in Distribution. */
export const createVars =
  ({ argv, redis, redisActive }: VarsDependencies): (() => object) =>
  () => ({
    cmdline: argv.map(redactText),
    memstats: memstats(),
    registry: {
      ...(redis === undefined ? {} : { redis: { Config: redactFields(redis), Active: redisActive?.() ?? 0 } }),
      notifications: { endpoints: null },
      proxy: { blobs: untouched, manifests: untouched },
    },
  });

/** The members of Go's memory statistics that have a meaning here, in bytes. */
function memstats(): Readonly<Record<string, number>> {
  const { rss, heapTotal, heapUsed, external } = process.memoryUsage();
  const { heap_size_limit: limit, total_allocated_bytes: allocated } = getHeapStatistics() as ReturnType<
    typeof getHeapStatistics
  > & { readonly total_allocated_bytes?: number };
  return {
    Alloc: heapUsed + external,
    ...(allocated === undefined ? {} : { TotalAlloc: allocated }),
    Sys: rss,
    HeapAlloc: heapUsed,
    HeapSys: heapTotal,
    HeapInuse: heapUsed,
    HeapIdle: Math.max(0, heapTotal - heapUsed),
    HeapLimit: limit,
    External: external,
  };
}
