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
    checkOffset(DRIVER, path, size);
    if (size > file.size) throw new StoreError('invalid-offset', DRIVER, path);
    if (size === file.size) return;
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
      const file = need();
      cut(file, offset);
      const iterator = source[Symbol.asyncIterator]();
      for (;;) {
        const { done, value } = await untilAborted(iterator.next(), signal);
        if (done === true) return file.size;
        options?.onChunk?.(value);
        file.chunks.push(Buffer.from(value));
        file.size += value.length;
        file.modified = clock();
      }
    },

    async flush(options) {
      options?.signal?.throwIfAborted();
      need();
    },

    async truncate(size, options) {
      options?.signal?.throwIfAborted();
      cut(need(), size);
    },

    async open(range, options) {
      checkRange(DRIVER, path, range);
      options?.signal?.throwIfAborted();
      const file = tree.findFile(path);
      return file === undefined ? undefined : readMemory(file, range);
    },

    async commit(target, options) {
      checkObjectPath(DRIVER, target);
      options?.signal?.throwIfAborted();
      const file = need();
      if (target === path) return;
      tree.place(target, file);
      tree.remove(path);
    },
  };
}
