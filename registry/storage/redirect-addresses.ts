/** Pure: a set of IP address ranges that is asked on each download, so looking one up takes some comparisons, not thousands. */
import { isIPv4, isIPv6, SocketAddress } from 'node:net';

export interface AddressSet {
  /** IPv4, also as `::ffff:1.2.3.4`, or IPv6. Anything else is in no set. */
  has(address: string): boolean;
  /** Ranges that do not touch. */
  readonly size: number;
}

interface Range {
  readonly first: bigint;
  readonly last: bigint;
}

/** `prefixes` in CIDR notation; those that are none are left out. */
export function createAddressSet(prefixes: readonly string[]): AddressSet {
  const ranges = merged(prefixes.map(rangeOf).filter((range) => range !== undefined));
  return {
    size: ranges.length,
    has(address) {
      const wanted = numberOf(address);
      if (wanted === undefined) return false;
      let low = 0;
      let high = ranges.length;
      while (low < high) {
        const middle = (low + high) >>> 1;
        const { first, last } = ranges[middle] as Range;
        if (wanted < first) high = middle;
        else if (wanted > last) low = middle + 1;
        else return true;
      }
      return false;
    },
  };
}

/** IPv4 addresses lie where IPv6 has its mapped ones, `::ffff:0:0/96`. */
const mapped = 0xffffn << 32n;

function numberOf(address: string): bigint | undefined {
  if (isIPv4(address)) return mapped + bytesToNumber(address.split('.').map(Number), 8n);
  if (!isIPv6(address)) return undefined;
  // Canonical: without a zone, and with a mapped IPv4 address in its dotted form.
  const text = new SocketAddress({ address: address.replace(/%.*$/, ''), family: 'ipv6' }).address;
  const dotted = /^(.*:)(\d+\.\d+\.\d+\.\d+)$/.exec(text);
  const [head = '', tail] = (dotted?.[1] === undefined ? text : `${dotted[1]}0:0`).split('::');
  const groups = (part: string | undefined): number[] =>
    part ? part.split(':').map((group) => Number.parseInt(group, 16)) : [];
  const [front, back] = [groups(head), groups(tail)];
  const gap = Array<number>(8 - front.length - back.length).fill(0);
  const number = bytesToNumber([...front, ...gap, ...back], 16n);
  return dotted?.[2] === undefined ? number : number + bytesToNumber(dotted[2].split('.').map(Number), 8n);
}

const bytesToNumber = (parts: readonly number[], bits: bigint): bigint =>
  parts.reduce((number, part) => (number << bits) + BigInt(part), 0n);

function rangeOf(prefix: string): Range | undefined {
  const [, address = '', bits = ''] = /^([0-9A-Fa-f.:]+)\/(\d{1,3})$/.exec(prefix.trim()) ?? [];
  const number = numberOf(address);
  const length = Number(bits) + (isIPv4(address) ? 96 : 0);
  if (number === undefined || length > 128) return undefined;
  const free = 128n - BigInt(length);
  const first = (number >> free) << free;
  return { first, last: first + (1n << free) - 1n };
}

/** Sorted, and joined where they overlap or touch. */
function merged(ranges: readonly Range[]): readonly Range[] {
  const sorted = [...ranges].sort((a, b) => (a.first < b.first ? -1 : a.first > b.first ? 1 : 0));
  const result: Range[] = [];
  for (const range of sorted) {
    const before = result.at(-1);
    if (before === undefined || range.first > before.last + 1n) result.push(range);
    else if (range.last > before.last) result[result.length - 1] = { first: before.first, last: range.last };
  }
  return result;
}
