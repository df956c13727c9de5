/**
 * How a reconciliation ended. An exception is none of these: it is a fault of the program, and is tried again like a failure.
 * - `settled`: nothing to do until something changes.
 * - `again`: look once more after this time, though nothing went wrong.
 * - `failed`: something went wrong that time may mend; tried again with back-off, or after the time that was asked for.
 * - `stalled`: only a change by the user, or in what was named, will help. Such a change comes as an event.
 */
export type Outcome =
  | { readonly fate: 'settled' }
  | { readonly fate: 'again'; readonly afterMs: number }
  | { readonly fate: 'failed'; readonly error: Error; readonly afterMs?: number | undefined }
  | { readonly fate: 'stalled'; readonly reason: string };

export const settled: Outcome = { fate: 'settled' };
