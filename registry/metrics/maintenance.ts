/** What became of the work that nobody asked for by a request: purging uploads. */
import type { Metric } from 'prom-client';
import { type Cell, cells, keep, reading } from './meters.ts';

/** `skipped`: another replica was at it. `failed`: it ended early; what it had done stays done. */
export type RunResult = 'done' | 'failed' | 'skipped';

export interface PurgeRun {
  readonly result: RunResult;
  /** Sessions found, whatever their age; `undefined` if not all were seen. */
  readonly found?: number | undefined;
  readonly purged: number;
  /** Sessions that could not be removed. */
  readonly errors: number;
  readonly seconds: number;
}

export interface MaintenanceMetrics {
  /** A run of the upload purge has ended. */
  purgeEnded(run: PurgeRun): void;
}

/** `now`: milliseconds since the epoch. */
export function createMaintenanceMetrics(register: (metric: Metric) => void, now: () => number): MaintenanceMetrics {
  const counters = (name: string, help: string, label: string): ((key: string, by: number) => void) => {
    const family = cells('counter', name, help);
    register(family.metric);
    const made = new Map<string, Cell>();
    return (key, by) => {
      (made.get(key) ?? keep(made, key, family.child({ [label]: key }))).value += by;
    };
  };
  const gauge = (name: string, help: string): ((value: number) => void) => {
    let last: number | undefined;
    register(reading('gauge', name, help, () => last));
    return (value) => {
      last = value;
    };
  };
  const purgeRuns = counters('registry_upload_purge_runs_total', 'Runs of the upload purge.', 'result');
  const purgeUploads = counters('registry_upload_purge_uploads_total', 'Uploads that it dealt with.', 'outcome');
  const purgeSeconds = gauge('registry_upload_purge_duration_seconds', 'Time that the last run took.');
  const purgeTime = gauge('registry_upload_purge_last_success_timestamp_seconds', 'When the last run ended well.');
  const stored = gauge('registry_uploads_stored', 'Uploads in the storage, of all replicas, when last purged.');
  return {
    purgeEnded(run) {
      purgeRuns(run.result, 1);
      if (run.result === 'skipped') return;
      purgeUploads('purged', run.purged);
      purgeUploads('failed', run.errors);
      purgeSeconds(run.seconds);
      if (run.found !== undefined) stored(run.found - run.purged);
      if (run.result === 'done') purgeTime(now() / 1000);
    },
  };
}
