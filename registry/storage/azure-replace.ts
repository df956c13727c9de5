/**
 * Bytes brought to a place where something may lie already that others rely on: it stays whole until the new bytes are. A copy
 * on the service's side empties its target first, so it is made only where nothing is; over a block blob goes a list of
 * blocks, which is all or nothing. A blob of another kind (Distribution's are append blobs) cannot be replaced, only deleted
 * first: it stays, under a new date, if its bytes are the same.
 */
import { createHash } from 'node:crypto';
import type { Readable } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import type { BlobDownloadResponseParsed } from '@azure/storage-blob';
import { type AzureBlobs, isWhole, TYPE } from './azure-blobs.ts';
import type { Blocks } from './azure-blocks.ts';
import { DRIVER, isAbsence, isOtherKind } from './azure-errors.ts';
import { StoreError } from './store.ts';

/** Rounds against others who write and delete at the same place. */
const ROUNDS = 5;
/** Milliseconds between two looks at somebody else's copy. */
const PAUSE = 500;

export interface Source {
  readonly name: string;
  /** Only this version. */
  readonly etag: string | undefined;
}

/** A target with something else in the way of bytes that have this size and hash. */
interface Occupied {
  readonly target: string;
  readonly size: number;
  readonly hash: () => Promise<Buffer | undefined>;
  readonly isForeign: boolean;
}

export interface AzureReplacements {
  /** Writes a whole blob. `path` is for errors, here and below. */
  write(path: string, target: string, content: Buffer, signal: AbortSignal): Promise<void>;
  /** Copies a blob. `absent`, `changed`: the source. */
  copy(path: string, source: Source, target: string, signal: AbortSignal): Promise<'done' | 'absent' | 'changed'>;
}

export function createReplacements(blobs: AzureBlobs, blocks: Blocks): AzureReplacements {
  const giveUp = (path: string): StoreError =>
    new StoreError('failed', DRIVER, path, new Error('others keep writing and deleting there'));

  /** A new date, so that it counts as written now. `false` if it is gone. */
  async function touch(name: string, abortSignal: AbortSignal): Promise<boolean> {
    try {
      await blobs.blob(name).setHTTPHeaders(TYPE, { abortSignal });
      return true;
    } catch (error) {
      if (isAbsence(error)) return false;
      throw error;
    }
  }

  async function hashed(name: string, signal: AbortSignal): Promise<Buffer | undefined> {
    const found = await blobs.download(name, 0, undefined, signal);
    return found && (await hashOf(bodyOf(found)));
  }

  /** `true` if these bytes are at the target anyway. Else what cannot be replaced there is deleted, for the next round. */
  async function settle({ target, size, hash, isForeign }: Occupied, signal: AbortSignal): Promise<boolean> {
    const there = await blobs.properties(target, signal, true);
    if (there === undefined) return false;
    if (isWhole(there) && there.contentLength === size) {
      const [ours, theirs] = [await hash(), await hashed(target, signal)];
      if (ours !== undefined && theirs?.equals(ours) && (await touch(target, signal))) return true;
    }
    if (isForeign) await blobs.remove(target, there.etag, signal);
    return false;
  }

  /** Others copy the same; what they began over there ends even without them. */
  async function pendingOver(target: string, signal: AbortSignal): Promise<void> {
    while ((await blobs.properties(target, signal, true))?.copyStatus === 'pending') {
      await delay(PAUSE, undefined, { signal });
    }
  }

  /** Through this process, as blocks. `foreign`: a blob of another kind is there; `overtaken`: somebody wrote another list. */
  async function restage(path: string, source: Source, target: string, signal: AbortSignal) {
    const found = await blobs.download(source.name, 0, undefined, signal);
    if (found === undefined) return 'absent';
    if (source.etag !== undefined && found.etag !== source.etag) {
      bodyOf(found).destroy();
      return 'changed';
    }
    try {
      const options = { path, own: target, target: undefined, before: 0, append: { signal } };
      const staged = await blocks.stage(bodyOf(found), options);
      if (staged.broken !== undefined) throw staged.broken.error;
      return (await staged.commit([], {}, signal)) ? 'done' : 'overtaken';
    } catch (error) {
      bodyOf(found).destroy();
      if (isOtherKind(error)) return 'foreign';
      throw error;
    }
  }

  return {
    async write(path, target, content, signal) {
      for (let round = 0; round < ROUNDS; round++) {
        try {
          await blobs.upload(target, content, {}, signal);
          return;
        } catch (error) {
          if (!isOtherKind(error)) throw error;
        }
        const size = content.length;
        if (await settle({ target, size, hash: () => hashOf([content]), isForeign: true }, signal)) return;
      }
      throw giveUp(path);
    },

    async copy(path, source, target, signal) {
      for (let round = 0; round < ROUNDS; round++) {
        const copied = await blobs.copy(source.name, target, source.etag, signal);
        if (copied !== 'occupied') return copied;
        await pendingOver(target, signal);
        const staged = await restage(path, source, target, signal);
        if (staged !== 'foreign' && staged !== 'overtaken') return staged;
        const { contentLength: size = 0, etag } = (await blobs.properties(source.name, signal)) ?? {};
        if (etag === undefined) return 'absent';
        if (source.etag !== undefined && etag !== source.etag) return 'changed';
        const occupied = { target, size, hash: () => hashed(source.name, signal), isForeign: staged === 'foreign' };
        if (await settle(occupied, signal)) return 'done';
      }
      throw giveUp(path);
    },
  };
}

const bodyOf = ({ readableStreamBody }: BlobDownloadResponseParsed): Readable => readableStreamBody as Readable;

async function hashOf(chunks: Iterable<Uint8Array> | AsyncIterable<Uint8Array>): Promise<Buffer> {
  const hash = createHash('sha256');
  for await (const chunk of chunks) hash.update(chunk);
  return hash.digest();
}
