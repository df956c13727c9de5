/**
 * Writing a growing file in batches: one batch is being written while the next is being gathered, without copying. Of a
 * large upload the device gets its part early, so that the sync at the end is short: a client waits for that one.
 */
import { writeFully } from './filesystem-calls.ts';

/** Socket chunks are 64 KiB at most: a batch costs an eighth of the calls. */
const BATCH_BYTES = 512 * 1024;
/** Tiny chunks are written before their own weight exceeds that of their bytes; also below the system's IOV_MAX, 1024. */
const BATCH_CHUNKS = 512;
/**
 * How much may be written before the device is set to work. Measured with 256 MiB at the speed of a network: the sync at
 * the end takes a tenth of the time; uploads below this size, which would gain nothing, are left alone.
 */
const WRITE_BACK_BYTES = 32 * 1024 * 1024;

export interface BatchCalls {
  /** Bounds how many writes run at once; a slow client holds no place between its batches. */
  readonly bounded: <T>(work: () => Promise<T>) => Promise<T>;
  /** Syncs the file, unless the device is busy with others' syncs already. */
  readonly syncIfIdle: (descriptor: number) => Promise<void> | undefined;
}

export interface BatchWriter {
  /** Takes the chunk. A promise means: wait for it before you add more. It rejects if an earlier batch failed. */
  add(chunk: Uint8Array): Promise<void> | undefined;
  /** Writes what is left. Resolves with the position behind the last byte once nothing is under way any more. */
  finish(): Promise<number>;
}

export function createBatchWriter(descriptor: number, position: number, calls: BatchCalls): BatchWriter {
  let end = position;
  let batch: Uint8Array[] = [];
  let batched = 0;
  let unsynced = 0;
  let writing: Promise<void> | undefined;
  let syncing: Promise<void> | undefined;
  // A failed sync is told once per descriptor: lost here, the sync at commit would succeed over lost bytes.
  let failure: { readonly error: unknown } | undefined;
  const fail = (error: unknown): void => {
    failure ??= { error };
  };

  function check(): void {
    if (failure !== undefined) throw failure.error;
  }

  /** Waits for the batch before, then starts to write this one. */
  async function hand(): Promise<void> {
    await writing;
    check();
    const buffers = batch;
    const at = end;
    end += batched;
    unsynced += batched;
    batch = [];
    batched = 0;
    writing = calls.bounded(() => writeFully(descriptor, buffers, at)).catch(fail);
    if (unsynced >= WRITE_BACK_BYTES && syncing === undefined) writeBack();
  }

  function writeBack(): void {
    const work = calls.syncIfIdle(descriptor);
    if (work === undefined) return;
    unsynced = 0;
    syncing = work.catch(fail).finally(() => {
      syncing = undefined;
    });
  }

  return {
    add(chunk) {
      check();
      batch.push(chunk);
      batched += chunk.length;
      return batched >= BATCH_BYTES || batch.length >= BATCH_CHUNKS ? hand() : undefined;
    },

    async finish() {
      try {
        if (batched > 0) await hand();
      } finally {
        await writing;
        await syncing;
      }
      check();
      return end;
    },
  };
}
