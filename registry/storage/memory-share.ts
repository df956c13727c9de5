/**
 * Memory for bytes on their way to a bucket, bounded over the whole process: it is divided among the uploads under way. One
 * alone may hold much and send large parts; among many each sends smaller ones, and nobody waits for a slow neighbour.
 */
export interface Seat {
  /** Bytes that this upload may hold now. */
  allowance(): number;
  leave(): void;
}

export interface MemoryShare {
  join(): Seat;
}

/** `total` bytes; an upload is never told less than `least`. */
export function createMemoryShare(total: number, least: number): MemoryShare {
  let seats = 0;
  return {
    join() {
      seats++;
      let left = false;
      return {
        allowance: () => Math.max(least, Math.floor(total / seats)),
        leave() {
          if (!left) seats--;
          left = true;
        },
      };
    },
  };
}
