/** Who wrote a log line, for `log.reportcaller`: logrus' fields `func` and `file`. */

/** `    at name (file:///place.ts:12:34)`, or without name and parentheses. */
const FRAME = /^\s*at (?:(?:async |new )?(.+?) \()?(?:file:\/\/)?([^()]+?:\d+):\d+\)?$/;

/** The function that called `below`, and its `FILE:LINE`; empty if that can't be told. It costs a stack trace. */
export function callerOf(below: (...given: never[]) => unknown): { readonly func?: string; readonly file?: string } {
  const holder: { stack?: string } = {};
  const { stackTraceLimit } = Error;
  Error.stackTraceLimit = 1;
  Error.captureStackTrace(holder, below);
  Error.stackTraceLimit = stackTraceLimit;
  const frame = FRAME.exec(holder.stack?.split('\n')[1] ?? '');
  return frame?.[2] === undefined ? {} : { func: frame[1] ?? '(anonymous)', file: frame[2] };
}
