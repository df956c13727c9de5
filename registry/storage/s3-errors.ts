/** What the SDK, the server and the network throw, in the contract's words and in sentences that name the remedy. */
import { DRIVER } from './s3-keys.ts';
import { StoreError, type StoreErrorCode } from './store.ts';

/** What messages may say of the store. */
export interface Place {
  readonly bucket: string;
  /** The endpoint's URL, or the words for Amazon's own. */
  readonly endpoint: string;
  readonly region: string;
}

interface SdkError {
  readonly name?: string;
  readonly message?: string;
  readonly code?: unknown;
  /** The region that a server expected. */
  readonly Region?: unknown;
  readonly $metadata?: { readonly httpStatusCode?: number; readonly attempts?: number };
  readonly $response?: { readonly headers?: Readonly<Record<string, string>> };
}

const asSdk = (error: unknown): SdkError => (typeof error === 'object' && error !== null ? error : {});

/** The name that S3 gave the error; of an answer without a body (HEAD) that is no more than the SDK's guess. */
export const nameOfError = (error: unknown): string => asSdk(error).name ?? '';
export const statusOf = (error: unknown): number | undefined => asSdk(error).$metadata?.httpStatusCode;
/** How often the SDK tried: more than once means that an earlier answer may be lost, and its effect not. */
export const attemptsOf = (error: unknown): number => asSdk(error).$metadata?.attempts ?? 1;

/** The object is not there. Other 404s mean something else: no bucket, no user, no S3 at that address. */
export function isAbsent(error: unknown): boolean {
  return statusOf(error) === 404 && ABSENT.has(nameOfError(error));
}
const ABSENT = new Set(['NoSuchKey', 'NotFound', 'NoSuchUpload']);

/** Longer than a key, or a component of one on servers that keep files, may be. */
const TOO_LONG = /^.{1024}|[^/]{256}/s;

/** As `isAbsent`, and also when nothing can ever have been there. */
export function isAbsentAt(key: string, error: unknown): boolean {
  return isAbsent(error) || (statusOf(error) === 400 && TOO_LONG.test(key));
}

/** A conditional write that lost. */
export const isPreconditionFailed = (error: unknown): boolean => statusOf(error) === 412;
/** A write that met another one, or the end of a folder where a server has such; it may be tried again. */
export const isMeeting = (error: unknown): boolean => statusOf(error) === 409 && MEETING.has(nameOfError(error));
const MEETING = new Set(['ConditionalRequestConflict', 'OperationAborted', 'ExistingObjectIsDirectory']);
export const isNotImplemented = (error: unknown): boolean => statusOf(error) === 501;
/** The multipart upload was completed or aborted by somebody. */
export const isUploadGone = (error: unknown): boolean => nameOfError(error) === 'NoSuchUpload';

/** Faults of the configuration, which trying again does not mend. */
export type Misconfiguration = 'bucket' | 'denied' | 'credentials' | 'region';

export function misconfigurationOf(error: unknown): Misconfiguration | undefined {
  const name = nameOfError(error);
  const status = statusOf(error);
  if (name === 'NoSuchBucket') return 'bucket';
  if (CREDENTIALS.has(name)) return 'credentials';
  if (
    name === 'AuthorizationHeaderMalformed' ||
    name === 'PermanentRedirect' ||
    name === 'IllegalLocationConstraintException'
  )
    return 'region';
  if (status === 301 || (status === 400 && regionOf(error) !== undefined)) return 'region';
  if (name === 'AccessDenied' || name === 'AllAccessDisabled' || (status === 403 && name !== 'RequestTimeTooSkewed'))
    return 'denied';
  return undefined;
}

const CREDENTIALS = new Set([
  'InvalidAccessKeyId',
  'SignatureDoesNotMatch',
  'XAdminUserNotFound',
  'ExpiredToken',
  'InvalidToken',
  'CredentialsProviderError',
  'TokenProviderError',
]);

const NO_SPACE = new Set([
  'QuotaExceeded',
  'InsufficientStorage',
  'XMinioStorageFull',
  'XMinioAdminBucketQuotaExceeded',
]);

const NETWORK: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'refuses connections',
  ENOTFOUND: 'has a host name that does not resolve',
  EAI_AGAIN: 'has a host name that does not resolve right now',
  EHOSTUNREACH: 'cannot be reached',
  ENETUNREACH: 'cannot be reached',
  ETIMEDOUT: 'does not answer',
  ECONNRESET: 'breaks connections off',
  EPIPE: 'breaks connections off',
  DEPTH_ZERO_SELF_SIGNED_CERT: 'has a certificate that no known authority signed; add it with NODE_EXTRA_CA_CERTS',
  SELF_SIGNED_CERT_IN_CHAIN: 'has a certificate that no known authority signed; add it with NODE_EXTRA_CA_CERTS',
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: 'has a certificate that no known authority signed; add it with NODE_EXTRA_CA_CERTS',
  CERT_HAS_EXPIRED: 'has an expired certificate',
  ERR_TLS_CERT_ALTNAME_INVALID: 'has a certificate for another host name',
  ERR_SSL_WRONG_VERSION_NUMBER: 'does not speak TLS there; correct storage.s3.regionendpoint or storage.s3.secure',
};

function regionOf(error: unknown): string | undefined {
  const { Region, $response, message } = asSdk(error);
  if (typeof Region === 'string') return Region;
  return $response?.headers?.['x-amz-bucket-region'] ?? /expecting '([a-z0-9-]+)'/.exec(message ?? '')?.[1];
}

/** One sentence, without secrets: keys, signatures and URLs of requests stay out. */
export function sentenceOf(error: unknown, { bucket, endpoint, region }: Place): string {
  const name = nameOfError(error);
  const code = asSdk(error).code;
  const status = statusOf(error);
  switch (misconfigurationOf(error)) {
    case 'bucket':
      return `there is no bucket "${bucket}" at ${endpoint}; make it, or correct storage.s3.bucket`;
    case 'credentials':
      return name.endsWith('ProviderError')
        ? 'no credentials were found; set storage.s3.accesskey and secretkey, or give the process a role'
        : `${endpoint} does not take the credentials (${name}); correct storage.s3.accesskey and secretkey`;
    case 'region': {
      const right = regionOf(error);
      const remedy = right === undefined ? 'correct storage.s3.region' : `set storage.s3.region to ${right}`;
      return `bucket "${bucket}" is not in region ${region}; ${remedy}`;
    }
    case 'denied':
      return `access to bucket "${bucket}" at ${endpoint} is denied; the credentials need the actions in docs/storage-s3.md`;
    default:
  }
  if (name === 'RequestTimeTooSkewed')
    return `the clocks of this host and of ${endpoint} differ too much; set them right`;
  if (isThrottled(error)) return `${endpoint} throttles this registry; it was tried again until the budget ran out`;
  if (name === 'TimeoutError' || name === 'Deadline') return `${endpoint} did not answer in time`;
  const network = typeof code === 'string' ? NETWORK[code] : undefined;
  if (network !== undefined) return `${endpoint} ${network}`;
  if (status !== undefined) return `${endpoint} answered ${status}${name === '' || name === 'Error' ? '' : ` ${name}`}`;
  return asSdk(error).message ?? String(error);
}

function isThrottled(error: unknown): boolean {
  const name = nameOfError(error);
  return name === 'SlowDown' || name === 'ServiceUnavailable' || name === 'Throttling' || statusOf(error) === 429;
}

/** What to throw for `error`, met while working on `path`. Our own errors and those of a source pass as they are. */
export function storeFault(path: string, error: unknown, place: Place): unknown {
  if (error instanceof StoreError || !isOfStore(error)) return error;
  return new StoreError(
    codeFor(error),
    DRIVER,
    path,
    Object.assign(new Error(sentenceOf(error, place)), { name: 'S3' }),
  );
}

function codeFor(error: unknown): StoreErrorCode {
  if (isAbsent(error)) return 'not-found';
  if (statusOf(error) === 507 || NO_SPACE.has(nameOfError(error))) return 'no-space';
  return isPreconditionFailed(error) || nameOfError(error) === 'ConditionalRequestConflict' ? 'conflict' : 'failed';
}

/** Whether it came from the SDK, its connection or our deadline, and not from a bug. */
function isOfStore(error: unknown): boolean {
  const { $metadata, code, name } = asSdk(error);
  if ($metadata !== undefined || name === 'TimeoutError' || name === 'Deadline') return true;
  return typeof code === 'string' || /ProviderError$/.test(name ?? '');
}
