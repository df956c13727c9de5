/** What is counted of the storage: time by driver and action as Distribution has it, failures, and what was found damaged. */
import type { Metric } from 'prom-client';
import { type Cell, cells, type Distribution, histograms, keep } from './meters.ts';

export interface StorageMetrics {
  /**
   * One call of a storage driver. `action` as Distribution names it: `GetContent`, `PutContent`, `Stat`, `List`, …;
   * `seconds` is left out where the time was the client's; `failure` is the word for what went wrong (`failed`, `no-space`,
   * `conflict`, …), from a closed set.
   */
  observeStorage(driver: string, action: string, seconds: number | undefined, failure?: string | undefined): void;
  /** Something in the tree that no program of this kind leaves behind was read and taken as absent. */
  damaged(kind: DamageKind): void;
}

/** `link`: not a digest. `data`: bytes that are not their digest's, or a folder in their place. `manifest`: not parsable. */
export type DamageKind = 'link' | 'data' | 'manifest';

/** The default buckets of Prometheus' client library for Go, which Distribution's timers have. */
export const SECONDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

interface ActionMeters {
  readonly seconds: Distribution;
  readonly failures: Map<string, Cell>;
}

export function createStorageMetrics(register: (metric: Metric) => void): StorageMetrics {
  const seconds = histograms('registry_storage_action_seconds', 'Time of storage calls.', SECONDS);
  const errors = cells('counter', 'registry_storage_errors_total', 'Storage calls that failed, by what went wrong.');
  const damages = cells('counter', 'registry_storage_damaged_total', 'Damaged objects that were treated as absent.');
  for (const { metric } of [seconds, errors, damages]) register(metric);
  const drivers = new Map<string, Map<string, ActionMeters>>();
  const kinds = new Map<DamageKind, Cell>();
  for (const kind of ['link', 'data', 'manifest'] as const) kinds.set(kind, damages.child({ kind }));

  return {
    observeStorage(driver, action, took, failure) {
      const actions = drivers.get(driver) ?? keep(drivers, driver, new Map<string, ActionMeters>());
      const meters =
        actions.get(action) ??
        keep(actions, action, { seconds: seconds.child({ driver, action }), failures: new Map<string, Cell>() });
      if (took !== undefined) meters.seconds.observe(took);
      if (failure === undefined) return;
      const { failures } = meters;
      const cell = failures.get(failure) ?? keep(failures, failure, errors.child({ driver, action, code: failure }));
      cell.value += 1;
    },
    damaged(kind) {
      const cell = kinds.get(kind);
      if (cell !== undefined) cell.value += 1;
    },
  };
}
