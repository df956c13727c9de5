/**
 * What may be asked of the disk without handing the call to another thread. Handing it there and back costs four to ten
 * times a call that the kernel answers from memory, and a small push makes a hundred of them. On a local file system
 * those are: looking at, opening and closing a folder that was made or found a moment ago. On any other, a network may
 * lie behind them, and everything goes to a thread.
 */
import fs from 'node:fs';
import { closeFile, openFile, statPath } from './filesystem-calls.ts';

/**
 * Magic numbers (statfs(2)) of file systems whose cached names and attributes are answered from memory: ext, XFS, Btrfs,
 * tmpfs, overlay, ZFS, F2FS, bcachefs. Of any other, a network may lie behind it.
 */
const LOCAL = new Set([0xef53, 0x58465342, 0x9123683e, 0x01021994, 0x794c7630, 0x2fc12fc1, 0xf2f52010, 0xca451a4e]);

/** Tells whether the folder lies on a local file system; `false` until that is known. */
export function createLocality(root: string): () => boolean {
  let isLocal = false;
  let asked = false;

  /** Asked with the first look, since the root may be made or mounted after the driver. */
  function askOnce(): void {
    asked = true;
    fs.statfs(root, (error, { type } = { type: 0 } as fs.StatsFs) => {
      isLocal = error === null && LOCAL.has(type);
      // Not there yet.
      if (error !== null) asked = false;
    });
  }

  return () => {
    if (!asked) askOnce();
    return isLocal;
  };
}

/** Calls on folders and descriptors that were used a moment ago. */
export interface NearCalls {
  /** Whether the calls are answered at once. */
  isLocal(): boolean;
  stat(path: string): fs.Stats | Promise<fs.Stats>;
  open(path: string): number | Promise<number>;
  close(descriptor: number): void | Promise<void>;
}

export function createNearCalls(isLocal: () => boolean): NearCalls {
  return {
    isLocal,
    stat: (path) => (isLocal() ? fs.statSync(path) : statPath(path)),
    open: (path) => (isLocal() ? fs.openSync(path, 'r') : openFile(path, 'r')),
    close: (descriptor) => (isLocal() ? fs.closeSync(descriptor) : closeFile(descriptor)),
  };
}
