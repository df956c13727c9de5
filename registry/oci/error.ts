/**
 * The one error class of the registry: a closed set of codes, those of the OCI distribution specification ("Error codes")
 * and the older ones that Distribution's clients know. Which HTTP status and wire code each becomes is decided in
 * `http/errors.ts` alone.
 */
export type ErrorCode =
  | 'UNKNOWN'
  | 'STORAGE_FULL'
  | 'UNSUPPORTED'
  | 'UNAUTHORIZED'
  | 'DENIED'
  | 'UNAVAILABLE'
  | 'TOOMANYREQUESTS'
  | 'DIGEST_INVALID'
  | 'SIZE_INVALID'
  | 'RANGE_INVALID'
  | 'NAME_INVALID'
  | 'NAME_TOO_LONG'
  | 'NAME_UNKNOWN'
  | 'TAG_INVALID'
  | 'TAGS_TOO_MANY'
  | 'MANIFEST_UNKNOWN'
  | 'MANIFEST_INVALID'
  | 'MANIFEST_NAME_INVALID'
  | 'MANIFEST_UNVERIFIED'
  | 'MANIFEST_TOO_LARGE'
  | 'MANIFEST_BLOB_UNKNOWN'
  | 'BLOB_UNKNOWN'
  | 'BLOB_UPLOAD_UNKNOWN'
  | 'BLOB_UPLOAD_INVALID'
  | 'CONTENT_TYPE_INVALID'
  | 'CONTENT_RANGE_INVALID'
  | 'PAGINATION_NUMBER_INVALID';

/** One entry of the error envelope. `detail` is any JSON and is shown to the client: never a secret, never a stack. */
export interface Fault {
  readonly code: ErrorCode;
  /** Replaces the code's standard sentence. */
  readonly message?: string | undefined;
  readonly detail?: unknown;
}

export class RegistryError extends Error {
  override readonly name = 'RegistryError';
  /** At least one; the first decides the HTTP status. */
  readonly faults: readonly [Fault, ...Fault[]];

  constructor(first: Fault, more: readonly Fault[] = [], cause?: unknown) {
    super(first.message ?? first.code, cause === undefined ? undefined : { cause });
    this.faults = [first, ...more];
  }

  get code(): ErrorCode {
    return this.faults[0].code;
  }
}

/** Shorthand for the usual error of one fault. */
export const fault = (code: ErrorCode, message?: string, detail?: unknown): RegistryError =>
  new RegistryError({ code, message, detail });
