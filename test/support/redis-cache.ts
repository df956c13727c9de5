/** A descriptor cache as the registry opens it, on a Redis of a test, with its log and its counts at hand. */
import assert from 'node:assert/strict';
import { openDescriptors } from '../../registry/cache/open.ts';
import type { Config, RedisConfig } from '../../registry/config/types.ts';
import { parseDigest } from '../../registry/oci/digest.ts';
import { parseName } from '../../registry/oci/name.ts';
import type { Blob } from '../../registry/service/blobs.ts';
import type { Descriptors } from '../../registry/service/descriptors.ts';
import { digestOf } from '../conformance/http.ts';
import { eventually } from './eventually.ts';
import type { Cleanup } from './registry-process.ts';

export interface CacheUnderTest extends Descriptors {
  /** Warnings and what became of them, in order. */
  readonly log: readonly string[];
  readonly counts: { readonly requests: number; readonly hits: number; readonly errors: number };
}

export interface CacheOptions {
  readonly redis: Partial<RedisConfig>;
  /** Milliseconds by which this replica's clock is ahead. */
  readonly ahead?: () => number;
  /** Whether the link is in the store. Default: it is. */
  readonly isMember?: () => Promise<boolean>;
  readonly driver?: string;
}

const defaults: RedisConfig = {
  addrs: [],
  mastername: undefined,
  username: undefined,
  password: undefined,
  sentinelusername: undefined,
  sentinelpassword: undefined,
  db: 0,
  clientname: undefined,
  dialtimeout: 5000,
  poolsize: 20,
  maxredirects: 3,
  readonly: false,
  routebylatency: false,
  routerandomly: false,
  tls: undefined,
};

/** Closed when the test ends. */
export async function openCache(t: Cleanup, options: CacheOptions): Promise<CacheUnderTest> {
  const log: string[] = [];
  const counts = { requests: 0, hits: 0, errors: 0 };
  const line = (level: string) => (fields: object, message: string) =>
    void log.push(`${level} ${message} ${JSON.stringify(fields)}`);
  const descriptors = await openDescriptors({
    config: {
      storage: {
        driver: { type: options.driver ?? 's3' },
        cache: { blobdescriptor: 'redis', blobdescriptorsize: 0 },
      } as unknown as Config['storage'],
      redis: { ...defaults, ...options.redis },
    },
    isMember: options.isMember ?? (async () => true),
    metrics: {
      requested: () => void counts.requests++,
      hit: () => void counts.hits++,
      failed: () => void counts.errors++,
      observeRedis() {},
    },
    log: { debug() {}, info: line('info'), warn: line('warn'), error: line('error') },
    now: () => Date.now() + (options.ahead?.() ?? 0),
    clock: () => performance.now(),
    random: Math.random,
  });
  t.after(async () => void (await descriptors.close()));
  return { ...descriptors, log, counts };
}

/** A blob's description, each text another one. */
export function blobOf(text: string): Blob {
  const digest = parseDigest(digestOf(Buffer.from(text)));
  if (digest === undefined) throw new Error('no digest');
  return { digest, stored: digest, size: text.length };
}

export function nameOf(text: string): NonNullable<ReturnType<typeof parseName>> {
  const name = parseName(text);
  if (name === undefined) throw new Error(`${text} is no name`);
  return name;
}

/** Waits until the cache remembers a blob that it is told of. */
export async function remembers(cache: Descriptors, text: string): Promise<void> {
  const blob = blobOf(text);
  await eventually(async () => {
    cache.note(nameOf('probe'), blob);
    assert.equal(await cache.find(blob.digest, {}), blob.size);
  });
}
