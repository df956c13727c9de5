/** Upload sessions of the in-memory driver: a file like any other that grows. */
import { untilAborted } from './abort.ts';
import { readMemory } from './memory-read.ts';
import type { MemoryFile, MemoryTree } from './memory-tree.ts';
import { checkObjectPath } from './paths.ts';
import { checkOffset, checkRange } from './ranges.ts';
import { StoreError, type Upload } from './store.ts';

const DRIVER = 'inmemory';

export function createMemoryUpload(tree: MemoryTree, path: string, clock: () => number): Upload {
  function need(): MemoryFile {
    const file = tree.findFile(path);
    if (file === undefined) throw new StoreError('not-found', DRIVER, path);
    return file;
  }

  function cut(file: MemoryFile, size: number): void {
    const kept: Buffer[] = [];
    let position = 0;
    for (const chunk of file.chunks) {
      const part = chunk.subarray(0, Math.max(0, size - position));
      if (part.length > 0) kept.push(part);
      position += chunk.length;
    }
    file.chunks = kept;
    file.size = size;
    file.modified = clock();
  }

  return {
    path,

    async size(options) {
      options?.signal?.throwIfAborted();
      return tree.findFile(path)?.size;
    },

    async append(offset, source, options) {
      const signal = options?.signal;
      signal?.throwIfAborted();
      checkOffset(DRIVER, path, offset);
      const file = need();
      if (offset !== file.size) throw new StoreError('conflict', DRIVER, path);
      let end = offset;
      const iterator = source[Symbol.asyncIterator]();
      for (;;) {
        const { done, value } = await untilAborted(iterator.next(), signal);
        if (done === true) break;
        // Another piece, or the commit, came in between.
        if (file.size !== end || tree.findFile(path) !== file) throw new StoreError('conflict', DRIVER, path);
        options?.onChunk?.(value);
        file.chunks.push(Buffer.from(value));
        file.size += value.length;
        end = file.size;
        file.modified = clock();
      }
      if (options?.length !== undefined && end - offset !== options.length) {
        cut(file, offset);
        throw new StoreError('invalid-length', DRIVER, path);
      }
      return end;
    },

    async open(range, options) {
      checkRange(DRIVER, path, range);
      options?.signal?.throwIfAborted();
      const file = tree.findFile(path);
      return file === undefined ? undefined : readMemory(file, range);
    },

    async commit(target, size, options) {
      checkObjectPath(DRIVER, target);
      options?.signal?.throwIfAborted();
      const file = need();
      if (size !== file.size) throw new StoreError('conflict', DRIVER, path);
      if (target === path) return;
      file.modified = clock();
      tree.place(target, file);
      tree.remove(path);
    },
  };
}
