/** What Azure answers, in the contract's words, with a sentence that names the container and the remedy. */
import { connectionFault } from './object-http.ts';
import { StoreError, type StoreErrorCode } from './store.ts';

export const DRIVER = 'azure';

/** The parts of the SDK's error that are looked at. */
interface Answer {
  readonly code?: string | undefined;
  readonly statusCode?: number | undefined;
  readonly message?: string | undefined;
  readonly details?: { readonly errorCode?: string | undefined } | undefined;
}

/** `BlobNotFound`, …; or the system's code of a broken connection. */
export function codeOf(error: unknown): string | undefined {
  const { code, details } = (error ?? {}) as Answer;
  return details?.errorCode ?? code;
}

export const statusOf = (error: unknown): number | undefined => ((error ?? {}) as Answer).statusCode;

const ABSENT = new Set(['BlobNotFound', 'ResourceNotFound', 'CannotVerifyCopySource', 'PendingCopyOperation']);
const CONTAINER = new Set(['ContainerNotFound', 'ContainerBeingDeleted', 'ContainerDisabled']);

/** No such blob. A HEAD says 404 and nothing more; that the container is there was seen at the start. */
export function isAbsence(error: unknown): boolean {
  if (statusOf(error) !== 404) return false;
  const code = codeOf(error);
  return code === undefined || (ABSENT.has(code) && code !== 'PendingCopyOperation');
}

/** A condition does not hold: somebody else wrote, or deleted, in between. A lease on the blob is none of ours. */
export function isConflict(error: unknown): boolean {
  const status = statusOf(error);
  const code = codeOf(error);
  if (status === 412) return code?.startsWith('Lease') !== true;
  return status === 409 && (code === 'BlobAlreadyExists' || code === 'UnauthorizedBlobOverwrite');
}

/** Blocks that a list names are gone: another list was committed meanwhile, which drops what is not in it. */
export const isLostBlocks = (error: unknown): boolean =>
  statusOf(error) === 400 && ['InvalidBlockList', 'InvalidBlockId'].includes(codeOf(error) ?? '');

/**
 * A blob of another kind lies there (Distribution's are append blobs), or one whose blocks are named in another way. Seen
 * through the sentence that was made of it, too.
 */
export function isOtherKind(error: unknown): boolean {
  const own = error instanceof StoreError ? (error.cause as Error | undefined)?.cause : error;
  return ['InvalidBlobType', 'InvalidBlobOrBlock', 'BlobTypeNotSupported'].includes(codeOf(own) ?? '');
}

export interface Place {
  readonly container: string;
  /** Of the service, without credentials. */
  readonly url: string;
}

/** A `StoreError` for whatever a call failed with; what the caller's signal threw comes back as it is. */
export function storeFault(place: Place, path: string, error: unknown, signal: AbortSignal | undefined): unknown {
  if (signal?.aborted) return signal.reason;
  if (error instanceof StoreError) return error;
  const sentence = sentenceOf(place, error);
  const code: StoreErrorCode = isAbsence(error) ? 'not-found' : 'failed';
  return new StoreError(code, DRIVER, path, new Error(sentence, { cause: error }));
}

/** One line, for a log or a start that fails. */
export function sentenceOf({ container, url }: Place, error: unknown): string {
  const code = codeOf(error);
  const at = `container "${container}" at ${url}`;
  if (code !== undefined && CONTAINER.has(code)) {
    return `there is no ${at}: create it, or correct storage.azure.container`;
  }
  switch (code) {
    case 'AuthenticationFailed':
    case 'InvalidAuthenticationInfo':
    case 'NoAuthenticationInformation':
      return `${at} does not accept the credentials: check accountname, accountkey or credentials, and the machine's clock`;
    case 'AuthorizationFailure':
    case 'AuthorizationPermissionMismatch':
    case 'InsufficientAccountPermissions':
      return `${at} denies access: check accountkey, or give this identity the role "Storage Blob Data Contributor"; let this network in`;
    case 'KeyBasedAuthenticationNotPermitted':
      return `${at} does not take account keys: use storage.azure.credentials with client_secret or default_credentials`;
    case 'PublicAccessNotPermitted':
      return `${at} wants credentials: write storage.azure.accountkey or storage.azure.credentials`;
    case 'AccountIsDisabled':
      return `the storage account of ${at} is disabled`;
    case 'LeaseIdMissing':
      return `${at} has leases on its blobs, which do not let them be replaced or deleted: break them`;
    case 'BlobImmutableDueToPolicy':
      return `${at} does not let blobs be replaced or deleted: take the immutability policy off`;
    default:
      break;
  }
  const broken = connectionFault(error, url);
  if (broken !== undefined) return `${broken}: check storage.azure.serviceurl, accountname and realm, and the network`;
  const line = firstLine(error);
  const status = statusOf(error);
  return `${at} answered ${[status, code, line].filter((word) => word !== undefined && word !== '').join(' ')}`;
}

/** Without the ids and times that follow, and whatever headers a later version may print. */
const firstLine = (error: unknown): string =>
  (error instanceof Error ? error.message : String(error)).split('\n')[0] ?? '';
