/** The operating system's faults in the contract's words. */
import { codeOf } from './filesystem-calls.ts';
import { DRIVER } from './filesystem-names.ts';
import { StoreError, type StoreErrorCode } from './store.ts';

const CODES: Readonly<Record<string, StoreErrorCode>> = {
  ENOENT: 'not-found',
  ENAMETOOLONG: 'invalid-path',
  ENOSPC: 'no-space',
  EDQUOT: 'no-space',
};

/**
 * What to throw for `error`, met while working on `path`. Faults that carry no system code pass as they are: our own, a
 * signal's reason, what a source or an `onChunk` threw.
 */
export function storeFault(path: string, error: unknown): unknown {
  const code = codeOf(error);
  if (error instanceof StoreError || code === undefined || !('syscall' in (error as Error))) return error;
  return new StoreError(CODES[code] ?? 'failed', DRIVER, path, error);
}
