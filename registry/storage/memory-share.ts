/**
 * Memory for bytes on their way to a bucket, bounded over the whole process: it is divided among the uploads that hold bytes
 * now. One alone may hold much and send large parts; among many each sends smaller ones. When not even the least is left, one
 * waits in line, and who has sat for a turn is asked to send what he has and to join again: slow clients keep nobody out.
 */
export interface Seat {
  /** Bytes that this upload may hold now. Who holds more, since there were fewer uploads before, sends first. */
  allowance(): number;
  /** The listener is called when the seat is wanted by others, at once if it is already. One at a time; `undefined`: none. */
  onRecall(listener: (() => void) | undefined): void;
  leave(): void;
}

export interface MemoryShare {
  /** Sits down as soon as `least` bytes are left. Rejects with the signal's reason if it fires while waiting. */
  join(least: number, signal: AbortSignal | undefined): Promise<Seat>;
  /** A seat that is never called back; `undefined` if there is none right now. Such seats get half of the memory. */
  joinFirmly(least: number): Seat | undefined;
}

/** Milliseconds that a seat is kept for certain. */
const TURN = 2000;

interface Guest {
  readonly least: number;
  readonly isFirm: boolean;
  /** Whole turns since others began to wait. */
  turns: number;
  isRecalled: boolean;
  listener: (() => void) | undefined;
}

interface Waiter {
  readonly least: number;
  readonly admit: () => void;
}

/** `total` bytes. An upload that needs more than that on its own gets it when nobody else is there. */
export function createMemoryShare(total: number, turn = TURN): MemoryShare {
  // Sets keep the order of arrival.
  const seated = new Set<Guest>();
  const waiting = new Set<Waiter>();
  let timer: NodeJS.Timeout | undefined;

  function reserved(isCounted: (guest: Guest) => boolean = () => true): number {
    let sum = 0;
    for (const guest of seated) if (isCounted(guest)) sum += guest.least;
    return sum;
  }

  const fits = (least: number): boolean => seated.size === 0 || reserved() + least <= total;

  function sit(least: number, isFirm: boolean): Seat {
    const guest: Guest = { least, isFirm, turns: 0, isRecalled: false, listener: undefined };
    seated.add(guest);
    return {
      allowance: () => least + Math.max(0, Math.floor((total - reserved()) / seated.size)),
      onRecall(listener) {
        guest.listener = listener;
        if (guest.isRecalled) listener?.();
      },
      leave() {
        if (seated.delete(guest)) admit();
      },
    };
  }

  function admit(): void {
    for (const waiter of waiting) {
      if (!fits(waiter.least)) break;
      waiting.delete(waiter);
      waiter.admit();
    }
    if (waiting.size === 0) stop();
  }

  function stop(): void {
    clearInterval(timer);
    timer = undefined;
    for (const guest of seated) Object.assign(guest, { turns: 0, isRecalled: false });
  }

  /** Those who have sat longest go first. */
  function sweep(): void {
    let wanted = waiting.size;
    for (const guest of seated) {
      if (wanted === 0) return;
      if (guest.isFirm || guest.turns++ === 0) continue;
      wanted--;
      guest.isRecalled = true;
      guest.listener?.();
    }
  }

  return {
    async join(least, signal) {
      signal?.throwIfAborted();
      if (waiting.size === 0 && fits(least)) return sit(least, false);
      return await new Promise<Seat>((resolve, reject) => {
        const leave = (): void => {
          waiting.delete(waiter);
          reject(signal?.reason);
          // The next one may need less.
          admit();
        };
        const waiter = {
          least,
          admit: () => {
            signal?.removeEventListener('abort', leave);
            resolve(sit(least, false));
          },
        };
        waiting.add(waiter);
        signal?.addEventListener('abort', leave, { once: true });
        timer ??= setInterval(sweep, turn);
      });
    },

    joinFirmly(least) {
      const isFree = waiting.size === 0 && fits(least) && reserved(({ isFirm }) => isFirm) + least <= total / 2;
      return isFree ? sit(least, true) : undefined;
    },
  };
}
