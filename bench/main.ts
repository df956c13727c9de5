/**
 * `make bench`: Berth beside docker-registry 2.8 and Distribution 3.1, with nginx serving the same bytes as the floor. Runs are
 * interleaved and the median of several counts, since machines drift: read the ratios, not the rates.
 *
 *     node bench/main.ts [--seconds 2] [--rounds 3] [--only TEXT] [--no-nginx]
 */
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { tool } from '../test/support/tools.ts';
import { cpuSeconds, median, peakMemory, resetPeak } from './measure.ts';
import { type Row, rows } from './rows.ts';
import { layOut, makeContent, seed } from './seed.ts';
import { berth, distribution, dockerRegistry, nginx, type Server } from './servers.ts';

const { values: options } = parseArgs({
  options: {
    seconds: { type: 'string', default: '2' },
    rounds: { type: 'string', default: '3' },
    only: { type: 'string', default: '' },
    'no-nginx': { type: 'boolean', default: false },
  },
});

interface Result {
  readonly rate: number;
  /** CPU milliseconds of the server for each unit. */
  readonly cpu: number;
  /** MiB. */
  readonly memory: number;
}

const folder = await mkdtemp(join(tmpdir(), 'berth-bench-'));
// nginx started by root reads as another user.
await chmod(folder, 0o755);
const servers: Server[] = [];
process.on('exit', () => {
  for (const { pid } of servers) kill(pid);
});
process.on('SIGINT', () => process.exit(130));

try {
  await main();
} finally {
  for (const server of servers) await server.stop();
  await rm(folder, { recursive: true, force: true });
}

async function main(): Promise<void> {
  const wrk = await tool('wrk');
  if (typeof wrk !== 'string') throw new Error(`the benchmark needs wrk: ${wrk.reason}`);
  const content = makeContent();
  servers.push(await berth(folder), await dockerRegistry(folder), await distribution(folder));
  const wanted = rows(content, wrk).filter(({ name }) => name.includes(options.only));
  // Pushes bring their own content.
  const needsContent = wanted.some(({ hasFloor }) => hasFloor);
  for (const server of needsContent ? servers : []) await seed(server, content);
  if (needsContent && !options['no-nginx']) {
    const floor = await nginx(folder);
    await layOut(floor, content);
    servers.push(floor);
  }
  print(['', 'conn.', ...servers.map(({ name }) => `${name} /s`), 'ratio', 'expected', 'CPU ms per unit', 'peak MiB']);
  print(Array.from({ length: servers.length + 6 }, () => '---'));
  for (const row of wanted) printRow(row, await measure(row));
}

async function measure(row: Row): Promise<ReadonlyMap<string, Result>> {
  const taking = servers.filter(({ name }) => row.hasFloor || name !== 'nginx');
  const samples = new Map<string, Result[]>(taking.map(({ name }) => [name, []]));
  for (const server of taking) await row.run(server, 1);
  for (let round = 0; round < Number(options.rounds); round++) {
    for (const server of taking) {
      resetPeak(server.pid);
      const before = cpuSeconds(server.pid);
      const { rate, units } = await row.run(server, Number(options.seconds));
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

function printRow(row: Row, results: ReadonlyMap<string, Result>): void {
  const rate = (name: string): number => results.get(name)?.rate ?? 0;
  const ratio = rate('berth') / Math.max(rate('docker-registry'), rate('distribution'));
  const each = (key: keyof Result, digits: number): string =>
    servers.map(({ name }) => results.get(name)?.[key].toFixed(digits) ?? '–').join(' · ');
  print([
    row.name,
    String(row.connections),
    ...servers.map(({ name }) => (results.has(name) ? format(rate(name)) : '–')),
    ratio.toFixed(2),
    `${row.expected}${ratio < row.expected ? ' **missed**' : ''}`,
    each('cpu', 2),
    each('memory', 0),
  ]);
}

function format(rate: number): string {
  return rate >= 100 ? rate.toFixed(0) : rate.toFixed(1);
}

function print(cells: readonly string[]): void {
  console.log(`| ${cells.join(' | ')} |`);
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // Ended already.
  }
}
