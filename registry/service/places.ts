/**
 * Which repositories have a blob: a hint for mounts that name no source. It is bounded, may be wrong or missing, and every
 * place in it is checked against that repository's own link before use.
 */
import type { Logger } from '../log.ts';
import type { Digest } from '../oci/digest.ts';
import { parseName, type RepositoryName } from '../oci/name.ts';
import type { Cancellable, Store } from '../storage/store.ts';
import * as keys from './keys.ts';

export interface Places {
  of(digest: Digest, options: Cancellable): Promise<readonly RepositoryName[]>;
  /** Never fails a push: a hint that could not be written is only logged. */
  note(digest: Digest, name: RepositoryName, options: Cancellable): Promise<void>;
}

/** Newest first; older places are forgotten. */
const maxPlaces = 8;

export function createPlaces(store: Store, log: Logger): Places {
  async function of(digest: Digest, options: Cancellable): Promise<readonly RepositoryName[]> {
    const content = await store.read(keys.places(digest), options);
    if (content === undefined) return [];
    return content
      .toString('latin1')
      .split('\n')
      .map(parseName)
      .filter((name) => name !== undefined);
  }

  return {
    of,
    async note(digest, name, options) {
      try {
        const known = await of(digest, options);
        if (known.includes(name)) return;
        const names = [name, ...known].slice(0, maxPlaces);
        await store.put(keys.places(digest), Buffer.from(names.join('\n'), 'latin1'), { ...options, durable: false });
      } catch (error) {
        log.warn({ digest, reason: (error as Error).message }, 'the hint for mounts without a source was not written');
      }
    },
  };
}
