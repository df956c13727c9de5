/**
 * What can go wrong in the operator, as a closed list:
 * - `usage`: the command line; `config`: the environment, a kubeconfig or a resource file that cannot be used.
 * - `unreachable`, `deadline`, `aborted`, `malformed`: no usable answer came.
 * - `unauthorized` 401, `forbidden` 403, `notFound` 404, `alreadyExists` and `conflict` 409, `gone` 410, `invalid` 422,
 *   `throttled` 429, `refused` any other 4xx, `server` 5xx.
 */
export type ErrorCode =
  | 'usage'
  | 'config'
  | 'unreachable'
  | 'deadline'
  | 'aborted'
  | 'malformed'
  | 'unauthorized'
  | 'forbidden'
  | 'notFound'
  | 'alreadyExists'
  | 'conflict'
  | 'gone'
  | 'invalid'
  | 'throttled'
  | 'refused'
  | 'server';

/** What an API server said beside the message. */
export interface ErrorDetails {
  /** HTTP status. */
  status?: number;
  /** How long the server asks to be left alone, in milliseconds. */
  retryAfterMs?: number;
  /** `details.causes` of a Kubernetes Status: one entry per field at fault. */
  causes?: readonly { field?: string; reason?: string; message?: string }[];
  cause?: unknown;
}

/** The operator's only error class. The message names the thing at fault and, where there is one, the remedy; it never holds a credential. */
export class OperatorError extends Error {
  override readonly name = 'OperatorError';
  readonly code: ErrorCode;
  readonly status: number | undefined;
  readonly retryAfterMs: number | undefined;
  readonly causes: NonNullable<ErrorDetails['causes']>;

  constructor(code: ErrorCode, message: string, details: ErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.code = code;
    this.status = details.status;
    this.retryAfterMs = details.retryAfterMs;
    this.causes = details.causes ?? [];
  }
}

/** Tells whether `error` is an OperatorError, of one of `codes` if any are given. */
export function isOperatorError(error: unknown, ...codes: ErrorCode[]): error is OperatorError {
  return error instanceof OperatorError && (codes.length === 0 || codes.includes(error.code));
}

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
