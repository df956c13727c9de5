/** What a run prints: Distribution's lines on standard output, or none of them; progress on a terminal. */
export interface CollectOutput {
  line(text: string): void;
  /** How far it is, for people who wait. */
  progress(text: string): void;
  /** Nothing more will be told: writes what is gathered, wipes the progress. */
  end(): void;
}

export interface CollectOutputOptions {
  readonly write: (text: string) => void;
  /** Whether lines are wanted at all. */
  readonly lines: boolean;
  /** A terminal's standard error; `undefined`: progress is shown nowhere. */
  readonly terminal: ((text: string) => void) | undefined;
  /** Milliseconds of a clock that never goes back. */
  readonly clock: () => number;
}

/** Milliseconds between two states of progress, and the longest that a line waits for others while there are any. */
const pause = 200;
/** Characters worth a write of their own. */
const batch = 32 * 1024;
const wipe = '\r\u001b[K';

export function createCollectOutput({ write, lines, terminal, clock }: CollectOutputOptions): CollectOutput {
  let gathered = '';
  let wroteAt = Number.NEGATIVE_INFINITY;
  let shownAt = Number.NEGATIVE_INFINITY;

  function flush(): void {
    wroteAt = clock();
    if (gathered !== '') write(gathered);
    gathered = '';
  }

  return {
    line(text) {
      if (!lines) return;
      gathered += `${text}\n`;
      if (gathered.length >= batch || clock() - wroteAt >= pause) flush();
    },
    progress(text) {
      if (terminal === undefined || clock() - shownAt < pause) return;
      shownAt = clock();
      terminal(`${wipe}${text}`);
    },
    end() {
      flush();
      if (terminal !== undefined && shownAt > Number.NEGATIVE_INFINITY) terminal(wipe);
    },
  };
}
