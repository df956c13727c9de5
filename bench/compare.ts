/** The same rows on several servers, interleaved; of each figure the median counts, since machines drift. */
import { cpuSeconds, median, peakMemory, resetPeak } from './measure.ts';
import type { Server } from './servers.ts';

export interface Row {
  readonly name: string;
  readonly connections: number;
  /** What Berth's rate over the best of `peers` has to be. */
  readonly expected: number;
  /** Names of the servers that take part. */
  readonly takes: readonly string[];
  /** Names of those that Berth is held against. */
  readonly peers: readonly string[];
  /** Runs against a server for some seconds; resolves with units per second and how many there were. */
  run(server: Server, seconds: number): Promise<{ readonly rate: number; readonly units: number }>;
}

export interface Comparison {
  readonly servers: readonly Server[];
  readonly rows: readonly Row[];
  readonly seconds: number;
  readonly rounds: number;
  /** Seconds before the first measured run, for what is only asked once. */
  readonly warmup: number;
  /** Takes one line of the table, Markdown. */
  readonly print: (line: string) => void;
}

interface Result {
  readonly rate: number;
  /** CPU milliseconds of the server for each unit. */
  readonly cpu: number;
  /** MiB. */
  readonly memory: number;
}

/** Prints the table, row by row as they are measured. */
export async function compare(comparison: Comparison): Promise<void> {
  const { servers, rows, print } = comparison;
  const line = (cells: readonly string[]): void => print(`| ${cells.join(' | ')} |`);
  line(['', 'conn.', ...servers.map(({ name }) => `${name} /s`), 'ratio', 'expected', 'CPU ms per unit', 'peak MiB']);
  line(Array.from({ length: servers.length + 6 }, () => '---'));
  for (const row of rows) line(cells(row, servers, await measure(row, comparison)));
}

async function measure(row: Row, { servers, seconds, rounds, warmup }: Comparison) {
  const taking = servers.filter(({ name }) => row.takes.includes(name));
  const samples = new Map<string, Result[]>(taking.map(({ name }) => [name, []]));
  for (const server of taking) await row.run(server, warmup);
  for (let round = 0; round < rounds; round++) {
    for (const server of taking) {
      resetPeak(server.pid);
      const before = cpuSeconds(server.pid);
      const { rate, units } = await row.run(server, seconds);
      const cpu = ((cpuSeconds(server.pid) - before) * 1000) / units;
      samples.get(server.name)?.push({ rate, cpu, memory: peakMemory(server.pid) });
    }
  }
  return new Map(
    [...samples].map(([name, results]) => {
      const of = (key: keyof Result): number => median(results.map((result) => result[key]));
      return [name, { rate: of('rate'), cpu: of('cpu'), memory: of('memory') }];
    }),
  );
}

function cells(row: Row, servers: readonly Server[], results: ReadonlyMap<string, Result>): readonly string[] {
  const rate = (name: string): number => results.get(name)?.rate ?? 0;
  const ratio = rate('berth') / Math.max(...row.peers.map(rate));
  const each = (key: keyof Result, digits: number): string =>
    servers.map(({ name }) => results.get(name)?.[key].toFixed(digits) ?? '–').join(' · ');
  return [
    row.name,
    String(row.connections),
    ...servers.map(({ name }) => (results.has(name) ? format(rate(name)) : '–')),
    ratio.toFixed(2),
    `${row.expected}${ratio < row.expected ? ' **missed**' : ''}`,
    each('cpu', 2),
    each('memory', 0),
  ];
}

function format(rate: number): string {
  return rate >= 100 ? rate.toFixed(0) : rate >= 10 ? rate.toFixed(1) : rate.toFixed(3);
}
