/** The check of the storage: one `stat` of its root. That nothing is there yet is healthy. */
import type { Store } from '../storage/store.ts';
import type { Check } from './checks.ts';

export interface StorageCheckOptions {
  /** Milliseconds. */
  readonly interval: number;
  readonly threshold: number;
  /** Milliseconds that one `stat` may take. */
  readonly deadline?: number;
}

/** A disk or a bucket that takes longer can't serve anyone. */
const DEADLINE = 10_000;

/** Named `storagedriver_TYPE`, as Distribution names it. */
export const storageCheck = (store: Store, options: StorageCheckOptions): Check => ({
  name: `storagedriver_${store.name}`,
  interval: options.interval,
  threshold: Math.max(1, options.threshold),
  deadline: options.deadline ?? DEADLINE,
  probe: ({ signal }) => store.stat('/', { signal }),
});
