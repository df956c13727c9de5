/**
 * What the registry counts, under Distribution's names, so that dashboards and alerts go on working. Rooms that may not
 * know this one declare the few functions that they call, and are handed the matching part.
 */
import { collectDefaultMetrics, type Metric, Registry } from 'prom-client';
import {
  type ContentCacheMetrics,
  createContentCacheMetrics,
  createDescriptorCacheMetrics,
  type DescriptorCacheMetrics,
} from './metrics/cache.ts';
import { createMaintenanceMetrics, type MaintenanceMetrics } from './metrics/maintenance.ts';
import { type Labels, reading } from './metrics/meters.ts';
import { createRequestMetrics, type RequestMetrics } from './metrics/requests.ts';
import { createStorageMetrics, type StorageMetrics } from './metrics/storage.ts';
import { createUploadMetrics, type UploadMetrics } from './metrics/uploads.ts';

export type { ContentCacheMetrics, DescriptorCacheMetrics } from './metrics/cache.ts';
export type { MaintenanceMetrics, PurgeRun, RunResult } from './metrics/maintenance.ts';
export type { RequestRecord } from './metrics/requests.ts';
export type { DamageKind } from './metrics/storage.ts';
export type { UploadMetrics } from './metrics/uploads.ts';

export interface Metrics extends RequestMetrics, StorageMetrics, MaintenanceMetrics {
  readonly descriptorCache: DescriptorCacheMetrics;
  readonly contentCache: ContentCacheMetrics;
  readonly uploads: UploadMetrics;
  /**
   * A number that is looked up whenever somebody asks for the metrics, so it must cost nothing: one, or one for each set
   * of labels (from a closed set), or none.
   */
  gauge(name: string, help: string, read: () => number | readonly (readonly [Labels, number])[] | undefined): void;
  /** The Prometheus text format. */
  text(): Promise<{ readonly contentType: string; readonly body: string }>;
}

export interface MetricsOptions {
  /** Those of Node and the process too (memory, garbage collection, event loop); default `true`. */
  readonly runtime?: boolean;
  /** Milliseconds since the epoch. */
  readonly now?: () => number;
  /** Milliseconds of a clock that never goes back. */
  readonly clock?: () => number;
}

/** Meters with a registry of their own, so that several can live in one process. */
export function createMetrics(options: MetricsOptions = {}): Metrics {
  const { runtime = true, now = Date.now, clock = () => performance.now() } = options;
  const registry = new Registry();
  if (runtime) collectDefaultMetrics({ register: registry });
  const register = (metric: Metric): void => registry.registerMetric(metric);
  return {
    ...createRequestMetrics(register),
    ...createStorageMetrics(register),
    ...createMaintenanceMetrics(register, now),
    descriptorCache: createDescriptorCacheMetrics(register),
    contentCache: createContentCacheMetrics(register),
    uploads: createUploadMetrics(register, clock),
    gauge(name, help, read) {
      register(reading('gauge', name, help, read));
    },
    async text() {
      return { contentType: registry.contentType, body: await registry.metrics() };
    },
  };
}
