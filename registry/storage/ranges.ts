/** Byte ranges and pages, the same for every driver. */
import { type ByteRange, type Entry, type ListOptions, type Page, StoreError } from './store.ts';

export interface Window {
  readonly start: number;
  /** Exclusive. */
  readonly end: number;
}

/** Throws `invalid-offset` for a range that no object can satisfy: a negative or fractional bound. */
export function checkRange(driver: string, path: string, range: ByteRange | undefined): void {
  if (range === undefined) return;
  const { start, end } = range;
  if (!Number.isSafeInteger(start) || start < 0) throw new StoreError('invalid-offset', driver, path);
  if (end !== undefined && (!Number.isSafeInteger(end) || end < 0))
    throw new StoreError('invalid-offset', driver, path);
}

/** Throws `invalid-offset` unless `offset` is a count of bytes. */
export function checkOffset(driver: string, path: string, offset: number): void {
  if (!Number.isSafeInteger(offset) || offset < 0) throw new StoreError('invalid-offset', driver, path);
}

/** The part of a `size` byte object that a checked range covers; empty (`start === end`) when it lies behind the end. */
export function clamp(range: ByteRange | undefined, size: number): Window {
  const start = Math.min(range?.start ?? 0, size);
  return { start, end: Math.max(start, Math.min(range?.end ?? size, size)) };
}

/** Index of the first entry whose name sorts after `name`, in entries sorted by the bytes of their (ASCII) names. */
function firstAfter(entries: readonly Entry[], name: string): number {
  let low = 0;
  let high = entries.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const entry = entries[middle];
    if (entry !== undefined && entry.name <= name) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Cuts the page that `options` ask for out of a whole, sorted listing. */
export function pageOf(entries: readonly Entry[], version: string | undefined, options: ListOptions | undefined): Page {
  const start = options?.after === undefined ? 0 : firstAfter(entries, options.after);
  const end = Math.min(entries.length, start + Math.max(0, options?.limit ?? entries.length));
  const page = start === 0 && end === entries.length ? entries : entries.slice(start, end);
  return { entries: page, more: end < entries.length, version };
}
