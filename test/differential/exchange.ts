/** Requests as data: what both registries are asked, one exchange after the other, in the same order. */

/** A header may stand several times. */
export type Headers = Readonly<Record<string, string | readonly string[]>>;

export interface Step {
  readonly method: string;
  /**
   * Path and query exactly as they go over the wire. `{L}` stands for path and query of the last `Location` of this
   * exchange, `{P}` for its path alone, `{L0}` for the first one.
   */
  readonly target: string;
  readonly headers?: Headers | undefined;
  readonly body?: Buffer | string | undefined;
  /** Sends the body in chunks, without a Content-Length. */
  readonly chunked?: boolean | undefined;
}

/** Which pair of servers is asked; each pair has a tree of its own. */
export type Setup =
  | 'default'
  | 'prefix'
  | 'host'
  | 'relative'
  | 'no-delete'
  | 'readonly'
  | 'small-pages'
  | 'no-validation';

export interface Exchange {
  readonly name: string;
  readonly steps: readonly Step[];
  readonly setup: Setup;
}

export interface Area {
  readonly name: string;
  readonly exchanges: readonly Exchange[];
}

type Options = Omit<Step, 'method' | 'target'>;

/** One request, written as on the wire: `step('GET /v2/')`. */
export function step(line: string, options: Options = {}): Step {
  const space = line.indexOf(' ');
  return { method: line.slice(0, space), target: line.slice(space + 1), ...options };
}

/** An exchange of several requests. */
export const exchange = (name: string, ...steps: readonly Step[]): Exchange => ({ name, steps, setup: 'default' });

/** One request that names itself. */
export const one = (line: string, options: Options = {}, more = ''): Exchange =>
  exchange(more === '' ? line : `${line} ${more}`, step(line, options));

/** The same exchanges with other servers. */
export const withSetup = (setup: Setup, ...exchanges: readonly Exchange[]): readonly Exchange[] =>
  exchanges.map((found) => ({ ...found, name: `${found.name} [${setup}]`, setup }));
