import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';

/** Everything the operator counts. The names are controller-runtime's and client-go's, so that dashboards made for those work. */
export interface Metrics {
  /** `success`, `error`, `requeue` (with back-off) or `requeue_after`. */
  reconcileTotal: Counter<'controller' | 'result'>;
  reconcileErrors: Counter<'controller'>;
  /** What only the user can mend: stalled. */
  terminalErrors: Counter<'controller'>;
  panics: Counter<'controller'>;
  timeouts: Counter<'controller'>;
  reconcileTime: Histogram<'controller'>;
  maxConcurrent: Gauge<'controller'>;
  activeWorkers: Gauge<'controller'>;
  queue: QueueMetrics;
  requests: Counter<'code' | 'method' | 'host'>;
  /** The Prometheus text format. */
  text(): Promise<{ contentType: string; body: string }>;
}

export interface QueueMetrics {
  depth: Gauge<'name'>;
  adds: Counter<'name'>;
  retries: Counter<'name'>;
  /** Seconds from being added to being taken by a worker. */
  queueDuration: Histogram<'name'>;
  /** Seconds in a worker. */
  workDuration: Histogram<'name'>;
}

const seconds = [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];

/** Meters with a registry of their own. No label holds the name of a resource: their number does not grow with the cluster. */
export function createMetrics(): Metrics {
  const registry = new Registry();
  const registers = [registry];
  collectDefaultMetrics({ register: registry });
  const controller = ['controller'] as const;
  const name = ['name'] as const;
  return {
    reconcileTotal: new Counter({
      name: 'controller_runtime_reconcile_total',
      help: 'Reconciliations by result.',
      labelNames: ['controller', 'result'],
      registers,
    }),
    reconcileErrors: new Counter({
      name: 'controller_runtime_reconcile_errors_total',
      help: 'Reconciliations that failed and are tried again with back-off.',
      labelNames: controller,
      registers,
    }),
    terminalErrors: new Counter({
      name: 'controller_runtime_terminal_reconcile_errors_total',
      help: 'Reconciliations that stalled until somebody acts.',
      labelNames: controller,
      registers,
    }),
    panics: new Counter({
      name: 'controller_runtime_reconcile_panics_total',
      help: 'Reconciliations that ended in an error nobody foresaw.',
      labelNames: controller,
      registers,
    }),
    timeouts: new Counter({
      name: 'controller_runtime_reconcile_timeouts_total',
      help: 'Reconciliations that took longer than their deadline.',
      labelNames: controller,
      registers,
    }),
    reconcileTime: new Histogram({
      name: 'controller_runtime_reconcile_time_seconds',
      help: 'Duration of a reconciliation.',
      labelNames: controller,
      buckets: seconds,
      registers,
    }),
    maxConcurrent: new Gauge({
      name: 'controller_runtime_max_concurrent_reconciles',
      help: 'Workers.',
      labelNames: controller,
      registers,
    }),
    activeWorkers: new Gauge({
      name: 'controller_runtime_active_workers',
      help: 'Workers that reconcile at present.',
      labelNames: controller,
      registers,
    }),
    queue: {
      depth: new Gauge({ name: 'workqueue_depth', help: 'Keys that wait for a worker.', labelNames: name, registers }),
      adds: new Counter({ name: 'workqueue_adds_total', help: 'Keys added.', labelNames: name, registers }),
      retries: new Counter({
        name: 'workqueue_retries_total',
        help: 'Keys added with back-off.',
        labelNames: name,
        registers,
      }),
      queueDuration: new Histogram({
        name: 'workqueue_queue_duration_seconds',
        help: 'Time from being added to being taken.',
        labelNames: name,
        buckets: seconds,
        registers,
      }),
      workDuration: new Histogram({
        name: 'workqueue_work_duration_seconds',
        help: 'Time in a worker.',
        labelNames: name,
        buckets: seconds,
        registers,
      }),
    },
    requests: new Counter({
      name: 'rest_client_requests_total',
      help: 'Requests to the API server by status code, method and host.',
      labelNames: ['code', 'method', 'host'],
      registers,
    }),
    text: async () => ({ contentType: registry.contentType, body: await registry.metrics() }),
  };
}
