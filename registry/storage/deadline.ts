/** A bound in time for work that hears a signal. */

/**
 * Runs the work with a signal that fires when the caller's does, or `milliseconds` after the beginning unless the work has
 * come to its end before: what it hands on (the body of an answer) is bound by the caller's signal alone. When time is up
 * the work's own error is replaced by one with the system's code for that.
 */
export async function withDeadline<T>(
  signal: AbortSignal | undefined,
  milliseconds: number,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  signal?.throwIfAborted();
  const late = new AbortController();
  const timer = setTimeout(() => late.abort(), milliseconds);
  try {
    return await work(signal === undefined ? late.signal : AbortSignal.any([signal, late.signal]));
  } catch (error) {
    if (signal?.aborted) throw signal.reason;
    if (!late.signal.aborted) throw error;
    throw Object.assign(new Error(`no answer within ${milliseconds / 1000} s`, { cause: error }), {
      code: 'ETIMEDOUT',
    });
  } finally {
    clearTimeout(timer);
  }
}
