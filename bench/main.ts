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
import { compare } from './compare.ts';
import { rows } from './rows.ts';
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
  const needsContent = wanted.some(({ takes }) => takes.includes('nginx'));
  for (const server of needsContent ? servers : []) await seed(server, content);
  if (needsContent && !options['no-nginx']) {
    const floor = await nginx(folder);
    await layOut(floor, content);
    servers.push(floor);
  }
  await compare({
    servers,
    rows: wanted,
    seconds: Number(options.seconds),
    rounds: Number(options.rounds),
    warmup: 1,
    print: console.log,
  });
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // Ended already.
  }
}
