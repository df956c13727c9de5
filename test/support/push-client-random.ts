/** Chance that can be repeated: everything follows from a seed, which a failing test prints. */
import { createCipheriv, createHash } from 'node:crypto';

export interface Chance {
  readonly seed: string;
  /** A whole number from 0 to `below` - 1. */
  integer(below: number): number;
  /** One of them. */
  pick<T>(choices: readonly [T, ...T[]]): T;
  /** Bytes that no compression makes smaller. */
  bytes(size: number): Buffer;
  /** A size from 0 to `largest`, small ones as often as large ones (even in its logarithm). */
  size(largest: number): number;
  /** Another source, independent of how often this one is asked. */
  branch(name: string): Chance;
}

export function createChance(seed: string): Chance {
  const key = createHash('sha256').update(seed).digest();
  const stream = createCipheriv('aes-256-ctr', key, Buffer.alloc(16));
  const bytes = (size: number): Buffer => stream.update(Buffer.alloc(size));
  const fraction = (): number => bytes(6).readUIntBE(0, 6) / 2 ** 48;
  const integer = (below: number): number => Math.floor(fraction() * below);
  return {
    seed,
    integer,
    bytes,
    pick: (choices) => choices[integer(choices.length)] ?? choices[0],
    size: (largest) => Math.min(largest, Math.floor((largest + 1) ** fraction()) - 1),
    branch: (name) => createChance(`${seed}/${name}`),
  };
}

/** From the environment's `SEED`, to run a failure again, or a new one. */
export const freshSeed = (): string => process.env['SEED'] || Math.random().toString(36).slice(2, 10);
