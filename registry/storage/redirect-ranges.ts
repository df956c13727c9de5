/**
 * Amazon's own address ranges, read again and again from where Amazon publishes them. A reading that fails keeps the last
 * good one and is tried again soon; until the first has come, no address counts as Amazon's.
 */
import type { Logger } from '../log.ts';
import { type AddressSet, createAddressSet } from './redirect-addresses.ts';

export interface AmazonRanges {
  has(address: string): boolean;
  close(): void;
}

export interface AmazonRangesOptions {
  readonly url: string;
  /** Lower-case; `undefined`: all of them. */
  readonly regions: readonly string[] | undefined;
  /** Milliseconds. */
  readonly updateFrequency: number;
  readonly log: Logger;
  /** Milliseconds for one reading. */
  readonly deadline?: number | undefined;
  /** Milliseconds until the first repetition after a failure; doubled each time, up to `updateFrequency`. */
  readonly retryAfter?: number | undefined;
}

/** Bytes; the list has 2 MB. */
const maxSize = 64 * 1024 * 1024;

export function createAmazonRanges(options: AmazonRangesOptions): AmazonRanges {
  const { url, regions, updateFrequency, log, deadline = 30_000, retryAfter = 60_000 } = options;
  const closing = new AbortController();
  let addresses: AddressSet | undefined;
  let timer: NodeJS.Timeout | undefined;

  async function update(failures: number): Promise<void> {
    let failed = 0;
    try {
      const signal = AbortSignal.any([closing.signal, AbortSignal.timeout(deadline)]);
      addresses = createAddressSet(prefixesOf(await fetchText(url, signal), regions));
      if (addresses.size === 0) {
        log.warn({ url, regions }, 'cloudfront: the list of address ranges has none for these regions');
      }
    } catch (error) {
      if (closing.signal.aborted) return;
      failed = failures + 1;
      const kept = addresses === undefined ? 'all clients are sent to CloudFront' : 'the last good list is kept';
      const message = `cloudfront: the address ranges could not be read; ${kept} until they can`;
      log.warn({ url, reason: reasonOf(error) }, message);
    }
    const soon = retryAfter * 2 ** Math.min(failed - 1, 20);
    timer = setTimeout(() => void update(failed), failed === 0 ? updateFrequency : Math.min(soon, updateFrequency));
    timer.unref();
  }

  void update(0);
  return {
    has: (address) => addresses?.has(address) ?? false,
    close() {
      closing.abort();
      clearTimeout(timer);
    },
  };
}

async function fetchText(url: string, signal: AbortSignal): Promise<string> {
  const answer = await fetch(url, { signal });
  if (!answer.ok) {
    await answer.body?.cancel();
    throw new Error(`the server answered ${answer.status}`);
  }
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of answer.body ?? []) {
    size += chunk.length;
    if (size > maxSize) throw new Error(`more than ${maxSize} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

interface Listed {
  readonly ip_prefix?: unknown;
  readonly ipv6_prefix?: unknown;
  readonly region?: unknown;
}

/** Throws on anything but a list of ranges: an empty answer must not replace a good one. */
function prefixesOf(text: string, regions: readonly string[] | undefined): string[] {
  const parsed = JSON.parse(text) as { prefixes?: unknown; ipv6_prefixes?: unknown } | null;
  const lists = [parsed?.prefixes, parsed?.ipv6_prefixes].filter((list): list is Listed[] => Array.isArray(list));
  if (lists.every((list) => list.length === 0)) throw new Error('there are no address ranges in it');
  return lists
    .flat()
    .filter((entry) => regions === undefined || regions.includes(String(entry?.region).toLowerCase()))
    .map((entry) => entry?.ip_prefix ?? entry?.ipv6_prefix)
    .filter((prefix) => typeof prefix === 'string');
}

function reasonOf(error: unknown): string {
  const { message, cause } = error as Error;
  return cause instanceof Error ? `${message}: ${cause.message}` : message;
}
