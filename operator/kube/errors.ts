import { type ErrorCode, OperatorError } from '../error.ts';

const codeByStatus: Readonly<Record<number, ErrorCode>> = {
  401: 'unauthorized',
  403: 'forbidden',
  404: 'notFound',
  409: 'conflict',
  410: 'gone',
  422: 'invalid',
  429: 'throttled',
};

/**
 * Makes an error of an HTTP answer that is not 2xx, or of the `object` of a watch's ERROR event.
 *
 * @param what the request, as a person would name it: `apply Secret team/reg-config`
 * @param body the answer's JSON, a Kubernetes `Status` as a rule
 */
export function fromStatus(what: string, status: number, body: unknown, retryAfterMs?: number): OperatorError {
  const said = (typeof body === 'object' && body !== null ? body : {}) as {
    message?: unknown;
    reason?: unknown;
    details?: { retryAfterSeconds?: unknown; causes?: unknown };
  };
  const exists = status === 409 && said.reason === 'AlreadyExists';
  const code = exists ? 'alreadyExists' : (codeByStatus[status] ?? (status >= 500 ? 'server' : 'refused'));
  const seconds = said.details?.retryAfterSeconds;
  const wait = retryAfterMs ?? (typeof seconds === 'number' && seconds > 0 ? seconds * 1000 : undefined);
  const message = typeof said.message === 'string' && said.message !== '' ? said.message : `HTTP status ${status}`;
  return new OperatorError(code, `${what}: ${message}`, {
    status,
    ...(wait === undefined ? {} : { retryAfterMs: wait }),
    ...(Array.isArray(said.details?.causes) ? { causes: said.details.causes } : {}),
  });
}
