/**
 * Read-only mode: by the configuration for good, or as long as a file exists, without a restart. The file is looked for
 * beside the requests, so that none of them waits for it; a change counts within a second.
 */
import { stat } from 'node:fs/promises';
import type { Logger } from './log.ts';

export interface ReadOnlyMode {
  /** Whether writes are refused just now. Costs nothing. */
  active(): boolean;
  /** Resolves once the state is known. */
  start(): Promise<void>;
  stop(): void;
}

export interface ReadOnlyOptions {
  readonly enabled: boolean;
  readonly file: string | undefined;
}

export interface ReadOnlyDependencies {
  readonly log: Logger;
  /** Resolves with whether the file exists. */
  readonly exists?: ((file: string) => Promise<boolean>) | undefined;
}

/** Milliseconds between two looks. */
const interval = 500;
/** Milliseconds in which the first look has to come to an end; the server starts without it then. */
const patience = 5_000;

export function createReadOnlyMode(
  { enabled, file }: ReadOnlyOptions,
  dependencies: ReadOnlyDependencies,
): ReadOnlyMode {
  const { log, exists = isThere } = dependencies;
  let found = false;
  let isLooking = false;
  let failure = '';
  let timer: NodeJS.Timeout | undefined;

  async function look(path: string): Promise<void> {
    // A file system that hangs is asked once, not twice a second.
    if (isLooking) return;
    isLooking = true;
    try {
      const before = found;
      found = await exists(path);
      failure = '';
      if (found !== before) {
        if (found) log.warn({ file: path }, 'read-only: the file is there, writes are refused from now on');
        else log.warn({ file: path }, 'read-only mode has ended: the file is gone, writes are accepted again');
      }
    } catch (error) {
      const { message } = error as Error;
      if (message !== failure) {
        const state = found ? 'refused' : 'accepted';
        log.error({ file: path, err: error }, `cannot tell whether the read-only file is there; writes stay ${state}`);
      }
      failure = message;
    } finally {
      isLooking = false;
    }
  }

  return {
    active: () => enabled || found,
    async start() {
      if (enabled) log.warn({}, 'read-only: storage.maintenance.readonly.enabled is set, writes are refused');
      if (enabled || file === undefined) return;
      timer = setInterval(() => void look(file), interval);
      timer.unref();
      let late: NodeJS.Timeout | undefined;
      await Promise.race([
        look(file),
        new Promise<void>((resolve) => {
          late = setTimeout(resolve, patience);
        }),
      ]);
      clearTimeout(late);
    },
    stop: () => clearInterval(timer),
  };
}

async function isThere(file: string): Promise<boolean> {
  try {
    await stat(file);
    return true;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') return false;
    throw error;
  }
}
