/**
 * What every room may write to: pino's levels, a constant message, fields beside it. `registry/main` makes the real one,
 * tests pass what they like.
 */
export interface Logger {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

/** Swallows everything. */
export const silent: Logger = { debug() {}, info() {}, warn() {}, error() {} };
