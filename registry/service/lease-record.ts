/** What stands in the store of a lease. Whoever only wants to know whether somebody holds one need not be able to take it. */

/** `beat` changes with each sign of life. */
export interface Held {
  /** Without spaces. */
  readonly holder: string;
  readonly beat: string;
  /** Milliseconds for which the lease holds without a sign of life. */
  readonly ttl: number;
}

export const leaseTime = 60_000;

/** Of a lease's time: others believe a holder dead that has shown no life for so long. */
export const dead = 4 / 3;

/** The lease under which garbage is collected. */
export const collectionLease = 'garbage-collect';

export const heldBy = ({ holder, beat, ttl }: Held): Buffer => Buffer.from(`held ${holder} ${beat} ${ttl}`, 'latin1');

/** `note`: one line for the next holder. `id`: no two leases that were let go look the same. */
export const free = (note: string, id: string): Buffer => Buffer.from(`free ${note}\n${id}`, 'latin1');

/** Anything but a lease that is held counts as free: it may be cut off, or of another version. */
export function parseHeld(content: Buffer | undefined): Held | undefined {
  const [state, holder = '', beat = '', written] = content?.toString('latin1').split(' ') ?? [];
  const ttl = Number(written);
  // Bounded, or a wrong number would hold everybody off for good.
  return state === 'held' && ttl > 0 ? { holder, beat, ttl: Math.min(ttl, 10 * leaseTime) } : undefined;
}

export function noteIn(content: Buffer | undefined): string {
  const [first = ''] = content?.toString('latin1').split('\n') ?? [];
  return first.startsWith('free ') ? first.slice('free '.length) : '';
}
