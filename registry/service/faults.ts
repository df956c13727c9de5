/** What a failing store means to a client. */
import { RegistryError } from '../oci/error.ts';
import { StoreError } from '../storage/store.ts';

/** Faults of the store that a client can make sense of, in the registry's words; everything else as it is. */
export function translateFault(error: unknown): unknown {
  return error instanceof StoreError && error.code === 'no-space'
    ? new RegistryError({ code: 'STORAGE_FULL' }, [], error)
    : error;
}

/** Runs `work` on something that may vanish meanwhile, by another client's or another replica's doing. */
export async function unlessGone<T>(work: () => Promise<T>, gone: () => RegistryError): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw error instanceof StoreError && error.code === 'not-found' ? gone() : error;
  }
}
