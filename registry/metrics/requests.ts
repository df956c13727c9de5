/** What is counted of every request, under the names, labels and buckets of Distribution's `http` metrics. */
import type { Metric } from 'prom-client';
import { type Cell, cells, type Distribution, histograms, keep } from './meters.ts';

export interface RequestRecord {
  /** The route's name: `base`, `manifest`, `blob_upload`, …; never what a client wrote. */
  readonly handler: string;
  readonly method: string;
  readonly code: number;
  readonly seconds: number;
  /** Bytes of the bodies that went in and out. */
  readonly requestBytes: number;
  readonly responseBytes: number;
}

export interface RequestMetrics {
  /** A request has been given to its handler. */
  requestBegan(handler: string): void;
  /** It has ended, one way or another. */
  observeRequest(record: RequestRecord): void;
}

const SECONDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 25, 60];
/** 1 KiB, doubling, to 2 GiB. */
const BYTES = Array.from({ length: 22 }, (_, index) => 1024 * 2 ** index);

/** Those that are there from the start, with nothing in flight, as in Distribution. */
const HANDLERS = ['base', 'blob', 'blob_upload', 'blob_upload_chunk', 'catalog', 'manifest', 'referrers', 'tags'];

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

export function createRequestMetrics(register: (metric: Metric) => void): RequestMetrics {
  const inFlight = cells('gauge', 'registry_http_in_flight_requests', 'The in-flight HTTP requests.');
  const total = cells('counter', 'registry_http_requests_total', 'Total number of HTTP requests made.');
  const seconds = histograms('registry_http_request_duration_seconds', 'Time to answer.', SECONDS);
  const requestSize = histograms('registry_http_request_size_bytes', 'Size of the requests.', BYTES);
  const responseSize = histograms('registry_http_response_size_bytes', 'Size of the answers.', BYTES);
  for (const { metric } of [inFlight, total, seconds, requestSize, responseSize]) register(metric);

  const underWay = new Map(HANDLERS.map((handler) => [handler, inFlight.child({ handler })]));
  const handlers = new Map<string, HandlerMeters>();
  const metersOf = (handler: string): HandlerMeters =>
    handlers.get(handler) ??
    keep(handlers, handler, {
      inFlight: underWay.get(handler) ?? inFlight.child({ handler }),
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
  };
}
