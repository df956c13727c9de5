/**
 * Things in the tree that no registry leaves behind: after crashes of other programs, failing disks, copies that stopped. They
 * count as absent, so that a client gets 404 and the next push repairs them, but never silently.
 */
import type { Logger } from '../log.ts';

/** `link`: not a digest. `data`: bytes that are not their digest's, or a folder in their place. `manifest`: not parsable. */
export type DamageKind = 'link' | 'data' | 'manifest';

/** `what` is a sentence for people without a full stop. */
export type OnDamage = (kind: DamageKind, path: string, what: string) => void;

/** Warns, and tells `count`. */
export const createOnDamage =
  (log: Logger, count: (kind: DamageKind) => void): OnDamage =>
  (kind, path, what) => {
    log.warn({ path }, `damaged: ${what}; it is treated as absent, and the next push repairs it`);
    count(kind);
  };
