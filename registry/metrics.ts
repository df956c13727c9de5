/** What the registry counts, under Distribution's names, so that dashboards and alerts go on working. */
import { collectDefaultMetrics, Registry } from 'prom-client';
import { type Cell, cells, type Distribution, type Family, histograms } from './metrics/meters.ts';

export interface RequestRecord {
  /** The route's name: `base`, `manifest`, `blob_upload`, …; never what a client wrote. */
  readonly handler: string;
  readonly method: string;
  readonly code: number;
  readonly seconds: number;
  readonly requestBytes: number;
  readonly responseBytes: number;
}

export interface Metrics {
  /** A request has been given to its handler. */
  requestBegan(handler: string): void;
  /** It has ended, one way or another. */
  observeRequest(record: RequestRecord): void;
  /** One call of a storage driver. `action` as Distribution names it: `GetContent`, `PutContent`, `Stat`, `List`, …. */
  observeStorage(driver: string, action: string, seconds: number): void;
  /** The Prometheus text format. */
  text(): Promise<{ readonly contentType: string; readonly body: string }>;
}

const REQUEST_SECONDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 25, 60];
const STORAGE_SECONDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];
/** 1 KiB, doubling, to 2 GiB. */
const BYTES = Array.from({ length: 22 }, (_, index) => 1024 * 2 ** index);

/** Others, which a client may invent, count as one. */
const METHODS: ReadonlySet<string> = new Set(['get', 'head', 'post', 'put', 'patch', 'delete', 'options']);

interface HandlerMeters {
  readonly inFlight: Cell;
  readonly requestBytes: Distribution;
  readonly responseBytes: Distribution;
  readonly methods: Map<string, MethodMeters>;
}

interface MethodMeters {
  readonly seconds: Distribution;
  readonly codes: Map<number, Cell>;
  readonly label: string;
}

/** Meters with a registry of their own, so that several can live in one process. `runtime`: those of Node and the process too. */
export function createMetrics(options: { readonly runtime?: boolean } = {}): Metrics {
  const registry = new Registry();
  if (options.runtime ?? true) collectDefaultMetrics({ register: registry });
  const add = <T>(family: Family<T>): Family<T> => {
    registry.registerMetric(family.metric);
    return family;
  };
  const name = (rest: string): string => `registry_http_${rest}`;
  const inFlight = add(cells('gauge', name('in_flight_requests'), 'The in-flight HTTP requests.'));
  const total = add(cells('counter', name('requests_total'), 'Total number of HTTP requests made.'));
  const seconds = add(histograms(name('request_duration_seconds'), 'Time to answer.', REQUEST_SECONDS));
  const requestSize = add(histograms(name('request_size_bytes'), 'Size of the requests.', BYTES));
  const responseSize = add(histograms(name('response_size_bytes'), 'Size of the answers.', BYTES));
  const storage = add(histograms('registry_storage_action_seconds', 'Time of storage calls.', STORAGE_SECONDS));

  const handlers = new Map<string, HandlerMeters>();
  const metersOf = (handler: string): HandlerMeters =>
    handlers.get(handler) ??
    keep(handlers, handler, {
      inFlight: inFlight.child({ handler }),
      requestBytes: requestSize.child({ handler }),
      responseBytes: responseSize.child({ handler }),
      methods: new Map(),
    });
  const methodOf = (meters: HandlerMeters, handler: string, method: string): MethodMeters => {
    const found = meters.methods.get(method);
    if (found !== undefined) return found;
    const label = METHODS.has(method.toLowerCase()) ? method.toLowerCase() : 'unknown';
    const made =
      meters.methods.get(label) ??
      keep(meters.methods, label, { label, seconds: seconds.child({ handler, method: label }), codes: new Map() });
    // The usual spelling finds it at once from now on; others would only fill the map.
    if (method === label.toUpperCase()) meters.methods.set(method, made);
    return made;
  };
  const drivers = new Map<string, Map<string, Distribution>>();

  return {
    requestBegan(handler) {
      metersOf(handler).inFlight.value += 1;
    },
    observeRequest({ handler, method, code, seconds: took, requestBytes, responseBytes }) {
      const meters = metersOf(handler);
      meters.inFlight.value -= 1;
      meters.requestBytes.observe(requestBytes);
      meters.responseBytes.observe(responseBytes);
      const { codes, label, seconds: durations } = methodOf(meters, handler, method);
      durations.observe(took);
      const cell = codes.get(code) ?? keep(codes, code, total.child({ handler, code: String(code), method: label }));
      cell.value += 1;
    },
    observeStorage(driver, action, took) {
      const actions = drivers.get(driver) ?? keep(drivers, driver, new Map<string, Distribution>());
      (actions.get(action) ?? keep(actions, action, storage.child({ driver, action }))).observe(took);
    },
    async text() {
      return { contentType: registry.contentType, body: await registry.metrics() };
    },
  };
}

/** Puts a value into a map and gives it back. */
function keep<K, V>(map: Map<K, V>, key: K, value: V): V {
  map.set(key, value);
  return value;
}
