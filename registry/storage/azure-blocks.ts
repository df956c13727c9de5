/** Blocks of a blob: sent side by side, unseen until their list is written. */
import { type AzureBlobs, type Condition, isRefusal, TRANSFER, TYPE } from './azure-blobs.ts';
import { DRIVER, isAbsence, isConflict, isLostBlocks, isOtherKind } from './azure-errors.ts';
import type { MemoryShare } from './memory-share.ts';
import { GRAIN, type Part, type Sent, sendInParts } from './parts.ts';
import { type AppendOptions, StoreError } from './store.ts';

/** Bytes of a block at most, and blocks of an upload under way at once. */
const LARGEST = 32 * GRAIN;
const PARALLEL = 8;
/** What the service takes of one blob. */
const MOST = 50_000;

export interface StageOptions {
  /** The upload, for errors. */
  readonly path: string;
  /** The blob of the session. */
  readonly own: string;
  /** The blob for which the bytes are meant, if they may be assembled there. */
  readonly target: string | undefined;
  /** Blocks that the session has already. */
  readonly before: number;
  readonly append: AppendOptions;
}

export interface Staged extends Sent {
  /** The blob that the blocks belong to: `target`, or `own` where something else lies in the target's place. */
  readonly name: string;
  readonly ids: readonly string[];
  /** All of the bytes, if they are so few that none was sent; there is nothing to commit then. */
  readonly small: Buffer | undefined;
  /**
   * Writes the list: the blocks `before`, then these. `false` if the condition does not hold, or another list was written
   * meanwhile, which drops all that is not in it.
   */
  commit(before: readonly string[], condition: Condition, signal: AbortSignal): Promise<boolean>;
}

export interface Blocks {
  /** Sends a source's bytes as blocks. */
  stage(source: AsyncIterable<Uint8Array>, options: StageOptions): Promise<Staged>;
  /** The ids of a blob's blocks; `undefined` if its bytes are not, or not only, in blocks, or it has another ETag. */
  listed(name: string, size: number, etag: string, signal: AbortSignal): Promise<readonly string[] | undefined>;
}

export interface BlockParts {
  readonly blobs: AzureBlobs;
  readonly memory: MemoryShare;
  /** A fresh UUID: blocks of two pieces never have the same id. */
  readonly newId: () => string;
}

export function createBlocks({ blobs, memory, newId }: BlockParts): Blocks {
  async function committed(name: string, abortSignal: AbortSignal) {
    try {
      const { etag, committedBlocks = [] } = await blobs.blob(name).getBlockList('committed', { abortSignal });
      const size = committedBlocks.reduce((sum, block) => sum + block.size, 0);
      return { etag, size, ids: committedBlocks.map((block) => block.name) };
    } catch (error) {
      if (isAbsence(error)) return undefined;
      throw error;
    }
  }

  return {
    async stage(source, { path, own, target, before, append }) {
      const { onChunk, signal, length } = append;
      const prefix = newId();
      const ids: string[] = [];
      let small: Buffer | undefined;
      let moved = false;

      async function stageAt(name: string, id: string, part: Buffer, ended: AbortSignal): Promise<void> {
        if (before + ids.length > MOST) {
          throw new StoreError(
            'failed',
            DRIVER,
            path,
            new Error(`an upload has at most ${MOST} blocks: send larger pieces`),
          );
        }
        const put = (abortSignal: AbortSignal) => blobs.blob(name).stageBlock(id, part, part.length, { abortSignal });
        await blobs.run(path, ended, put, TRANSFER);
      }

      async function send({ bytes: part, index, isAll }: Part, ended: AbortSignal): Promise<void> {
        // Sent as a whole blob, with the commit. A copy, so that the large buffer is free.
        if (isAll && part.length < GRAIN && target !== undefined) {
          small = Buffer.from(part);
          return;
        }
        const id = idOf(prefix, index);
        ids[index] = id;
        if (target === undefined || moved) return await stageAt(own, id, part, ended);
        try {
          await stageAt(target, id, part, ended);
        } catch (error) {
          if (!isOtherKind(error)) throw error;
          // Deleting what is in the way has to wait until these bytes have turned out right.
          moved = true;
          await stageAt(own, id, part, ended);
        }
      }

      const sent = await sendInParts(source, {
        onChunk,
        signal,
        length,
        memory,
        largest: LARGEST,
        parallel: PARALLEL,
        before,
        send,
      });
      const name = target === undefined || moved ? own : target;

      return {
        ...sent,
        name,
        ids,
        small: small ?? (target !== undefined && sent.bytes === 0 ? Buffer.alloc(0) : undefined),
        async commit(earlier, conditions, abortSignal) {
          if (earlier.length + ids.length === 0)
            return await blobs.upload(name, Buffer.alloc(0), conditions, abortSignal);
          const list = [...earlier, ...ids];
          try {
            await blobs.blob(name).commitBlockList(list, { abortSignal, conditions, blobHTTPHeaders: TYPE });
            return true;
          } catch (error) {
            if (!isConflict(error) && !isLostBlocks(error) && !isAbsence(error)) throw error;
            // It is there if the first try's answer was lost.
            if ((await committed(name, abortSignal))?.ids.at(-1) === list.at(-1)) return true;
            if (isConflict(error) && !isRefusal(error, conditions)) throw error;
            return false;
          }
        },
      };
    },

    async listed(name, size, etag, abortSignal) {
      const list = await committed(name, abortSignal);
      return list?.etag === etag && list.size === size ? list.ids : undefined;
    },
  };
}

/** All ids of a blob have to be equally long. */
const idOf = (prefix: string, index: number): string =>
  Buffer.from(`${prefix}${String(index).padStart(6, '0')}`).toString('base64');
