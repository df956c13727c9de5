/** What becomes of an exchange: one log line with Distribution's texts and fields, one access line, the meters. */
import { forwardedAddress } from './http/client-address.ts';
import { errorTable } from './http/errors.ts';
import type { Exchange, Observer } from './http/observe.ts';
import type { AccessLog } from './log/access.ts';
import { goDuration } from './log/duration.ts';
import { redactUrl } from './log/redact.ts';
import type { Logger } from './log.ts';
import type { Metrics } from './metrics.ts';
import type { RegistryError } from './oci/error.ts';

export interface ReportDependencies {
  readonly log: Logger;
  readonly accessLog: AccessLog | undefined;
  readonly metrics: Pick<Metrics, 'requestBegan' | 'observeRequest'>;
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
        remoteAddress: exchange.peer.host,
        user: exchange.user,
        time: now() - seconds * 1000,
        method,
        uri: exchange.uri,
        httpVersion: raw.httpVersion,
        status,
        bytes: responseBytes,
        referer: raw.headers.referer,
        userAgent: raw.headers['user-agent'],
      });
      // Load balancers ask for `/` every second, scanners for what is nowhere: the access log alone hears of what has no
      // route, as in Distribution.
      if (handler === undefined) return;
      // Texts and levels are Distribution's, client faults included: operators search and alert on them.
      if (status < 400) {
        if (logsSuccess) log.info(requestFields(exchange), 'response completed');
      } else log.error({ ...requestFields(exchange), ...errorFields(exchange.error) }, 'response completed with error');
    },
  };
}

function requestFields(exchange: Exchange): object {
  const { raw } = exchange;
  const { headers } = raw;
  const { name, reference, digest, id } = exchange.params;
  return {
    'http.request.id': exchange.id,
    'http.request.method': raw.method,
    'http.request.host': headers.host,
    'http.request.uri': exchange.uri,
    'http.request.referer': headers.referer === undefined ? undefined : redactUrl(headers.referer),
    'http.request.useragent': headers['user-agent'],
    'http.request.remoteaddr': forwardedAddress(raw) ?? exchange.peer.address,
    'http.request.contenttype': headers['content-type'],
    'http.request.xrequestid': foreignId(headers['x-request-id']),
    'auth.user.name': exchange.user,
    'vars.name': name,
    'vars.reference': reference,
    'vars.digest': digest,
    'vars.uuid': id,
    'http.response.status': exchange.status,
    'http.response.written': exchange.responseBytes,
    'http.response.contenttype': exchange.contentType || undefined,
    'http.response.duration': goDuration(exchange.seconds),
  };
}

/**
 * The id that a proxy or a client gave the request, if it looks like one. Ours stays beside it: it is unique, and nobody
 * outside can choose it.
 */
const foreignId = (given: string | string[] | undefined): string | undefined =>
  typeof given === 'string' && /^[A-Za-z0-9._:=+/@-]{1,128}$/.test(given) ? given : undefined;

/**
 * The first fault in Distribution's fields. What nobody foresaw tells its reason, and where it came from if it carries no
 * code of its own: this line is the only one about it.
 */
function errorFields(error: RegistryError | undefined): object {
  if (error === undefined) return {};
  const [{ code, message, detail }] = error.faults;
  const wire = errorTable[code];
  const cause = code === 'UNKNOWN' ? error.cause : undefined;
  const reason = cause instanceof Error ? cause.message : cause;
  return {
    'err.code': wire.code.toLowerCase().replaceAll('_', ' '),
    'err.message': message ?? wire.message,
    'err.detail': (typeof detail === 'object' ? JSON.stringify(detail) : detail) ?? reason,
    'err.stack': cause instanceof Error && !('code' in cause) ? cause.stack : undefined,
  };
}
