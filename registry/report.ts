/** What becomes of an exchange: one log line with Distribution's texts and fields, one access line, the meters. */
import type { Exchange, Observer } from './http/observe.ts';
import type { AccessLog } from './log/access.ts';
import type { Logger } from './log.ts';
import type { Metrics } from './metrics.ts';

export interface ReportDependencies {
  readonly log: Logger;
  readonly accessLog: AccessLog | undefined;
  readonly metrics: Metrics;
  /** Whether answers without fault are worth a line; saves gathering one that the level would drop. */
  readonly logsSuccess: boolean;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
}

export function createReport({ log, accessLog, metrics, logsSuccess, now }: ReportDependencies): Observer {
  return {
    began(handler) {
      if (handler !== undefined) metrics.requestBegan(handler);
    },

    ended(exchange) {
      const { raw, handler, status, seconds, requestBytes, responseBytes } = exchange;
      const method = raw.method ?? '';
      if (handler !== undefined) {
        metrics.observeRequest({ handler, method, code: status, seconds, requestBytes, responseBytes });
      }
      accessLog?.({
        remoteAddress: raw.socket.remoteAddress,
        time: now() - seconds * 1000,
        method,
        uri: exchange.uri,
        httpVersion: raw.httpVersion,
        status,
        bytes: responseBytes,
        referer: raw.headers.referer,
        userAgent: raw.headers['user-agent'],
      });
      // Texts and levels are Distribution's, client faults included: operators search and alert on them.
      if (status < 400) {
        if (logsSuccess) log.info(fields(exchange), 'response completed');
      } else log.error(fields(exchange), 'response completed with error');
    },
  };
}

function fields(exchange: Exchange): object {
  const { raw, error } = exchange;
  const first = error?.faults[0];
  const { name, reference, digest, id } = exchange.params;
  return {
    'http.request.id': exchange.id,
    'http.request.method': raw.method,
    'http.request.host': raw.headers.host,
    'http.request.uri': exchange.uri,
    'http.request.referer': raw.headers.referer,
    'http.request.useragent': raw.headers['user-agent'],
    'http.request.remoteaddr': `${raw.socket.remoteAddress}:${raw.socket.remotePort}`,
    'http.request.contenttype': raw.headers['content-type'],
    'vars.name': name,
    'vars.reference': reference,
    'vars.digest': digest,
    'vars.uuid': id,
    'http.response.status': exchange.status,
    'http.response.written': exchange.responseBytes,
    'http.response.contenttype': exchange.contentType || undefined,
    'http.response.duration': `${(exchange.seconds * 1000).toFixed(3)}ms`,
    'err.code': first?.code.toLowerCase().replaceAll('_', ' '),
    'err.message': first === undefined ? undefined : error?.message,
    'err.detail': typeof first?.detail === 'object' ? JSON.stringify(first.detail) : first?.detail,
  };
}
