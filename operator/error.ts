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
