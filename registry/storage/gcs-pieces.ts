/** Pieces of an upload: objects of their own, sent side by side, joined on the service's side at the end. */

import { allDone } from './abort.ts';
import type { Scope } from './gcs-calls.ts';
import { storeFailure } from './gcs-errors.ts';
import type { GcsObjects, Part } from './gcs-objects.ts';
import type { MemoryShare } from './memory-share.ts';
import { type Part as Cut, type Sent, sendInParts } from './parts.ts';
import { createSemaphore } from './semaphore.ts';
import type { AppendOptions } from './store.ts';

export interface Piece extends Part {
  readonly size: number;
}

export interface StagedPieces extends Sent {
  readonly pieces: readonly Piece[];
}

export interface Pieces {
  /** Sends a source's bytes as objects whose names begin with `folder`. */
  stage(
    source: AsyncIterable<Uint8Array>,
    folder: string,
    before: number,
    options: StageOptions,
  ): Promise<StagedPieces>;
  /** Makes an object of all of them. `false` if one is gone. */
  join(target: string, pieces: readonly Part[], folder: string, scope: Scope): Promise<boolean>;
  /** Deletes them, as far as that can be done. */
  drop(pieces: readonly Part[], path: string): Promise<void>;
}

export interface StageOptions extends Pick<AppendOptions, 'onChunk' | 'signal' | 'length'> {
  readonly path: string;
}

export interface PieceParts {
  readonly objects: GcsObjects;
  readonly memory: MemoryShare;
  /** Bytes of a piece at most. */
  readonly largest: number;
  /** A fresh UUID. */
  readonly newId: () => string;
}

/** What the service joins at once; pieces of an upload, so that three rounds are enough; calls at once. */
const AT_ONCE = 32;
const MOST = AT_ONCE ** 3;
const PARALLEL = 8;
/** Milliseconds for tidying up. */
const PATIENCE = 60_000;

export function createPieces({ objects, memory, largest, newId }: PieceParts): Pieces {
  async function drop(pieces: readonly Part[], path: string): Promise<void> {
    const slots = createSemaphore(PARALLEL);
    const scope = { path, signal: AbortSignal.timeout(PATIENCE) };
    await Promise.allSettled(pieces.map(({ name }) => slots.run(() => objects.remove(name, scope), scope.signal)));
  }

  return {
    drop,

    async stage(source, folder, before, { path, onChunk, signal, length }) {
      const prefix = `${folder}${newId()}`;
      const pieces: Piece[] = [];

      async function send({ bytes, index }: Cut, ended: AbortSignal): Promise<void> {
        if (before + index >= MOST) throw storeFailure(path, `an upload has at most ${MOST} pieces: send larger ones`);
        const name = `${prefix}.${index}`;
        const generation = await objects.insert(name, bytes, { path, signal: ended });
        pieces[index] = { name, size: bytes.length, generation };
      }

      try {
        const options = { onChunk, signal, length, memory, largest, parallel: PARALLEL, before, send };
        return { ...(await sendInParts(source, options)), pieces };
      } catch (error) {
        await drop(Object.values(pieces), path);
        throw error;
      }
    },

    async join(target, pieces, folder, scope) {
      const between: Part[] = [];
      const slots = createSemaphore(PARALLEL);
      try {
        let level = pieces;
        while (level.length > AT_ONCE) {
          const groups = Array.from({ length: Math.ceil(level.length / AT_ONCE) }, (_, at) =>
            level.slice(at * AT_ONCE, (at + 1) * AT_ONCE),
          );
          const joined: Part[] = [];
          const compose = async (group: readonly Part[], at: number): Promise<void> => {
            const part = await objects.compose(`${folder}${newId()}`, group, scope);
            if (part === undefined) return;
            between.push(part);
            joined[at] = part;
          };
          // What one of them leaves behind is known, whatever becomes of the others.
          await allDone(groups.map((group, at) => slots.run(() => compose(group, at))));
          if (Object.keys(joined).length < groups.length) return false;
          level = joined;
        }
        return (await objects.compose(target, level, scope)) !== undefined;
      } finally {
        await drop(between, scope.path);
      }
    },
  };
}
