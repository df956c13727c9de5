/**
 * Memory for parts, bounded over all uploads of the process. Who comes first is served first, and waits meanwhile, so that a
 * store which is slower than the clients holds them back. A buffer that fills slowly while others wait is asked for back:
 * its upload puts what it has aside, so a few slow clients never keep the fast ones out.
 */
export interface PartBuffer {
  /** As long as a part. With anything in it. */
  readonly bytes: Buffer;
  /** It is full: from now on it is kept until it was sent. */
  seal(): void;
  end(): void;
}

export interface PartMemory {
  /** `giveUp` is called at most once, before the buffer is sealed: `end` should follow soon. */
  lend(giveUp: () => void, signal: AbortSignal | undefined): Promise<PartBuffer>;
}

export interface PartMemoryOptions {
  /** Bytes of one buffer. */
  readonly bytes: number;
  /** How many there are. */
  readonly count: number;
  /** Milliseconds that a buffer may take to fill while others wait. */
  readonly patience: number;
}

interface Loan extends PartBuffer {
  readonly since: number;
  readonly giveUp: () => void;
}

/** Milliseconds after which memory that nobody used goes back to the system. */
const IDLE = 30_000;

export function createPartMemory({ bytes, count, patience }: PartMemoryOptions): PartMemory {
  const free: Buffer[] = [];
  const waiting = new Set<() => void>();
  /** In the order in which they were lent. */
  const filling = new Set<Loan>();
  let out = 0;
  let watch: NodeJS.Timeout | undefined;
  let idle: NodeJS.Timeout | undefined;

  function serve(): void {
    const next = waiting.values().next().value;
    if (next === undefined || out >= count) return;
    waiting.delete(next);
    out++;
    next();
  }

  function recall(): void {
    if (waiting.size === 0) {
      clearInterval(watch);
      watch = undefined;
      return;
    }
    const oldest = filling.values().next().value;
    if (oldest === undefined || performance.now() - oldest.since < patience) return;
    filling.delete(oldest);
    oldest.giveUp();
  }

  function make(giveUp: () => void): PartBuffer {
    clearTimeout(idle);
    const buffer = free.pop() ?? Buffer.allocUnsafeSlow(bytes);
    let ended = false;
    const loan: Loan = {
      bytes: buffer,
      since: performance.now(),
      giveUp,
      seal: () => void filling.delete(loan),
      end() {
        if (ended) return;
        ended = true;
        filling.delete(loan);
        free.push(buffer);
        out--;
        serve();
        if (out === 0) {
          idle = setTimeout(() => {
            free.length = 0;
          }, IDLE).unref();
        }
      },
    };
    filling.add(loan);
    return loan;
  }

  return {
    async lend(giveUp, signal) {
      signal?.throwIfAborted();
      if (out < count && waiting.size === 0) {
        out++;
        return make(giveUp);
      }
      watch ??= setInterval(recall, patience / 2).unref();
      await new Promise<void>((resolve, reject) => {
        const leave = (): void => {
          waiting.delete(admit);
          reject(signal?.reason);
        };
        const admit = (): void => {
          signal?.removeEventListener('abort', leave);
          resolve();
        };
        waiting.add(admit);
        signal?.addEventListener('abort', leave, { once: true });
      });
      return make(giveUp);
    },
  };
}
