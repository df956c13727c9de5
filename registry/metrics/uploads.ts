/** How many uploads are open, as far as this process has to do with them. */
import type { Metric } from 'prom-client';
import { reading } from './meters.ts';

export interface UploadMetrics {
  /** An upload was begun, or bytes of it came or were asked for. */
  seen(id: string): void;
  /** It was committed, cancelled, or turned out not to exist. */
  ended(id: string): void;
}

/** Milliseconds without a sign of life after which an upload is its client's no more; another replica may have ended it. */
const FORGOTTEN = 3_600_000;
/** Ids kept; beyond, the oldest are forgotten. */
const LIMIT = 100_000;

/** `clock`: milliseconds that never go back. */
export function createUploadMetrics(register: (metric: Metric) => void, clock: () => number): UploadMetrics {
  /** In the order of the last sign of life, so that forgetting begins at the front. */
  const lastSeen = new Map<string, number>();
  const forget = (): void => {
    const limit = clock() - FORGOTTEN;
    for (const [id, time] of lastSeen) {
      if (time > limit && lastSeen.size <= LIMIT) return;
      lastSeen.delete(id);
    }
  };
  register(
    reading('gauge', 'registry_uploads_open', 'Uploads of this process that have not ended.', () => {
      forget();
      return lastSeen.size;
    }),
  );
  return {
    seen(id) {
      lastSeen.delete(id);
      lastSeen.set(id, clock());
      if (lastSeen.size > LIMIT) forget();
    },
    ended(id) {
      lastSeen.delete(id);
    },
  };
}
