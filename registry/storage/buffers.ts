/**
 * Memory that is used again. A fresh buffer of this size means fresh pages from the system, and touching them costs more
 * than the reading itself: see `filesystem-send.ts` for figures.
 */
export interface Loan {
  /** With anything in it. */
  readonly buffer: Buffer;
  /** Ends the loan. `clean`: nobody will look into the buffer any more; otherwise it is left to whoever does. */
  end(clean: boolean): void;
}

export interface BufferPoolOptions {
  readonly bytes: number;
  /** So many buffers of full size are lent at once; whoever comes later gets a sixteenth, fresh. */
  readonly lent: number;
}

/** Makes a lender. Bounds what slow readers hold: `lent * bytes`, and `bytes / 16` for each reader more. */
export function createBufferPool({ bytes, lent }: BufferPoolOptions): () => Loan {
  const free: Buffer[] = [];
  let out = 0;

  return () => {
    if (out >= lent) return { buffer: Buffer.allocUnsafeSlow(bytes / 16), end() {} };
    out++;
    const buffer = free.pop() ?? Buffer.allocUnsafeSlow(bytes);
    return {
      buffer,
      end(clean) {
        out--;
        if (clean) free.push(buffer);
      },
    };
  };
}
