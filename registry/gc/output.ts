/** What a run prints: Distribution's lines on standard output, or nothing but a summary in JSON; progress on a terminal. */
export interface CollectOutput {
  line(text: string): void;
  /** How far it is, for people who wait. */
  progress(text: string): void;
  /** Nothing more will be told; wipes the progress. */
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

/** Milliseconds between two states of progress. */
const pause = 200;
const wipe = '\r\u001b[K';

export function createCollectOutput({ write, lines, terminal, clock }: CollectOutputOptions): CollectOutput {
  let shownAt = Number.NEGATIVE_INFINITY;
  return {
    line(text) {
      if (lines) write(`${text}\n`);
    },
    progress(text) {
      if (terminal === undefined || clock() - shownAt < pause) return;
      shownAt = clock();
      terminal(`${wipe}${text}`);
    },
    end() {
      if (terminal !== undefined && shownAt > Number.NEGATIVE_INFINITY) terminal(wipe);
    },
  };
}
