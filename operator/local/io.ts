/** Where text goes. */
export interface Output {
  write(text: string): unknown;
}

/** What the commands without a cluster are given by `main`. */
export interface Io {
  /** For `-f -`. */
  readonly stdin: AsyncIterable<Uint8Array | string>;
  readonly stdout: Output;
  readonly stderr: Output;
  /** The image of a Registry that names none. */
  readonly operatorImage: string;
  /** The launcher of the server, `bin/registry`. */
  readonly registryProgram: string;
  /** The environment that the server inherits; what begins with `REGISTRY_` is left out. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Aborted by the first SIGINT or SIGTERM. */
  readonly signal: AbortSignal;
}

/** Exit codes of the commands. */
export const EXIT = { done: 0, refused: 1, usage: 2 } as const;

/** Prints a message the way every command does. */
export function complain(io: Pick<Io, 'stderr'>, command: string, message: string): void {
  io.stderr.write(`operator ${command}: ${message}\n`);
}
