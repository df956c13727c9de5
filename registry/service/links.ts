/** Link files: small objects whose whole content is a digest (written without a newline, as Distribution does; one is tolerated). */

import { type Digest, parseDigest } from '../oci/digest.ts';
import type { Cancellable, Put, Store } from '../storage/store.ts';
import type { OnDamage } from './damage.ts';

export interface Links {
  /**
   * Where a link points. A damaged one (empty after a crash of another program, garbage) counts as absent and is loud;
   * the next push writes it anew.
   */
  resolve(path: string, options: Cancellable): Promise<Digest | undefined>;
}

export function createLinks(store: Store, onDamage: OnDamage): Links {
  return {
    async resolve(path, options) {
      const content = await store.read(path, options);
      if (content === undefined) return undefined;
      // Asked twice before it counts as damaged: a bucket behind a bad network may have cut one answer short.
      const digest = digestIn(content) ?? digestIn(await store.read(path, options));
      if (digest === undefined) onDamage('link', path, 'the link is no digest');
      return digest;
    },
  };
}

const digestIn = (content: Buffer | undefined): Digest | undefined =>
  content === undefined ? undefined : parseDigest(content.toString('latin1').trim());

export const link = (path: string, target: Digest): Put => ({ path, content: Buffer.from(target, 'latin1') });
