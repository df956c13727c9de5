/** Single calls on blobs of one container: each with a deadline, each failure in the contract's words. */
import type { Readable } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import type {
  BlobDownloadResponseParsed,
  BlobGetPropertiesResponse,
  BlockBlobClient,
  Metadata,
} from '@azure/storage-blob';
import type { AzureClient } from './azure-client.ts';
import { codeOf, isAbsence, isConflict, isOtherKind, type Place, storeFault } from './azure-errors.ts';
import { withDeadline } from './deadline.ts';

/** Milliseconds that a call may take with all its tries; a transfer of bytes has more, a copy more still. */
export const DEADLINE = 60_000;
export const TRANSFER = 5 * 60_000;
export const COPY = 30 * 60_000;
/** Milliseconds between the first two looks at a copy under way, and between later ones. */
const COPY_LOOK = 100;
const COPY_LONGEST_LOOK = 2_000;
/** Blobs without a type would be sent as `application/octet-stream` anyway; this is what Distribution's have. */
export const TYPE = { blobContentType: 'application/octet-stream' };

/** A copy that is not done leaves a blob without content, or with a part of it. */
export const isWhole = ({ copyStatus }: { readonly copyStatus?: string | undefined }): boolean =>
  copyStatus === undefined || copyStatus === 'success';

/** What a write has to find at its place. */
export interface Condition {
  readonly ifMatch?: string;
  readonly ifNoneMatch?: '*';
}

/** A refusal because of a condition is an answer only to who set one; to anybody else it is a failure. */
export const isRefusal = (error: unknown, { ifMatch, ifNoneMatch }: Condition): boolean =>
  (ifMatch ?? ifNoneMatch) !== undefined && isConflict(error);

export interface AzureBlobs {
  /**
   * One step: bounded by the deadline, its failure told for `path`. A body that it hands on is bounded by the caller's signal
   * alone, and by the connection's own deadlines.
   */
  run<T>(
    path: string,
    signal: AbortSignal | undefined,
    work: (signal: AbortSignal) => Promise<T>,
    deadline?: number,
  ): Promise<T>;
  blob(name: string): BlockBlobClient;
  /** `undefined` if absent, or, unless those are asked for, not yet there: a copy under way, or one that failed. */
  properties(name: string, signal: AbortSignal, unfinished?: boolean): Promise<BlobGetPropertiesResponse | undefined>;
  /** From `start` on, at most `count` bytes; `undefined` if absent. */
  download(
    name: string,
    start: number,
    count: number | undefined,
    signal: AbortSignal,
  ): Promise<BlobDownloadResponseParsed | undefined>;
  /** Writes a whole blob in one call. `false` if the condition does not hold. */
  upload(
    name: string,
    content: Buffer,
    condition: Condition,
    signal: AbortSignal,
    metadata?: Metadata,
  ): Promise<boolean>;
  /**
   * Copies on the service's side to where nothing is, and waits for it. `absent`, or `changed` if it has another ETag: the
   * source; `occupied`: the target.
   */
  copy(
    source: string,
    target: string,
    etag: string | undefined,
    signal: AbortSignal,
  ): Promise<'done' | 'absent' | 'changed' | 'occupied'>;
  /** `false` if nothing was there, or, with an ETag, something else. */
  remove(name: string, etag: string | undefined, signal: AbortSignal): Promise<boolean>;
}

/** `waits`: for copies that the service does not finish at once; else they are called off and fail. */
export function createAzureBlobs({ container }: AzureClient, place: Place, waits: boolean): AzureBlobs {
  const blob = (name: string): BlockBlobClient => container.getBlockBlobClient(name);

  async function unlessAbsent<T>(work: Promise<T>): Promise<T | undefined> {
    try {
      return await work;
    } catch (error) {
      if (isAbsence(error)) return undefined;
      throw error;
    }
  }

  async function remove(name: string, etag: string | undefined, abortSignal: AbortSignal): Promise<boolean> {
    const conditions: Condition = etag === undefined ? {} : { ifMatch: etag };
    try {
      await blob(name).delete({ abortSignal, conditions, deleteSnapshots: 'include' });
      return true;
    } catch (error) {
      if (isAbsence(error) || isRefusal(error, conditions)) return false;
      throw error;
    }
  }

  /** Looks until the copy has ended; one that nobody waits for any more is called off, so that it does not appear later. */
  async function finishCopy(target: string, copyId: string, signal: AbortSignal): Promise<void> {
    let pending = true;
    try {
      for (let pause = COPY_LOOK; ; pause = Math.min(pause * 2, COPY_LONGEST_LOOK)) {
        const seen = await blob(target).getProperties({ abortSignal: signal });
        // Another copy has taken the place since, or a whole write: both have a copy of their own to show.
        pending = seen.copyId === copyId && seen.copyStatus === 'pending';
        if (seen.copyId !== copyId || seen.copyStatus === 'success') return;
        if (!pending) throw new Error(`the copy ended as ${seen.copyStatus}: ${seen.copyStatusDescription ?? ''}`);
        if (!waits)
          throw new Error('the copy was still under way, and storage.azure.max_retries is -1: it was called off');
        await delay(pause, undefined, { signal });
      }
    } finally {
      const abortSignal = AbortSignal.timeout(DEADLINE);
      if (pending)
        await blob(target)
          .abortCopyFromURL(copyId, { abortSignal })
          .catch(() => {});
    }
  }

  return {
    blob,
    remove,

    async run(path, signal, work, deadline = DEADLINE) {
      try {
        return await withDeadline(signal, deadline, work);
      } catch (error) {
        throw storeFault(place, path, error, signal);
      }
    },

    async properties(name, abortSignal, unfinished = false) {
      const found = await unlessAbsent(blob(name).getProperties({ abortSignal }));
      return found !== undefined && (unfinished || isWhole(found)) ? found : undefined;
    },

    async download(name, start, count, abortSignal) {
      const found = await unlessAbsent(blob(name).download(start, count, { abortSignal }));
      if (found !== undefined && isWhole(found)) return found;
      (found?.readableStreamBody as Readable | undefined)?.destroy();
      return undefined;
    },

    async upload(name, content, conditions, abortSignal, metadata = {}) {
      const options = { abortSignal, conditions, metadata, blobHTTPHeaders: TYPE };
      try {
        await blob(name).upload(content, content.length, options);
        return true;
      } catch (error) {
        if (isRefusal(error, conditions)) return false;
        throw error;
      }
    },

    async copy(source, target, etag, signal) {
      const { url } = container.getBlobClient(source);
      const sourceConditions = etag === undefined ? {} : { ifMatch: etag };
      try {
        const conditions: Condition = { ifNoneMatch: '*' };
        const options = { abortSignal: signal, sourceConditions, conditions };
        const poller = await blob(target).beginCopyFromURL(url, options);
        // The SDK's poller knows the id and does not show it.
        const { copyId, isCompleted } = poller.getOperationState() as { copyId?: string; isCompleted?: boolean };
        if (isCompleted !== true && copyId !== undefined) await finishCopy(target, copyId, signal);
        return 'done';
      } catch (error) {
        if (isAbsence(error)) return 'absent';
        if (codeOf(error) === 'SourceConditionNotMet') return 'changed';
        if (isConflict(error) || isOtherKind(error) || codeOf(error) === 'PendingCopyOperation') return 'occupied';
        throw error;
      }
    },
  };
}
