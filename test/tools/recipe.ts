/** What a recipe is handed while it works. */
export interface Making {
  signal?: AbortSignal | undefined;
  /** Tells a watching person which step is under way. */
  note: (step: string) => void;
}

/** How a group is made. */
export interface Recipe {
  /** A hash, in hex, of everything that goes into the programs. */
  hash: string;
  /** Fills an empty folder, programs under `bin/`; gives the versions of what is in it. */
  make(target: string, making: Making): Promise<Record<string, string>>;
}
