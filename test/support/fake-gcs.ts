/** fake-gcs-server, an emulator of Google Cloud Storage, as a process of a test. */
import { randomUUID } from 'node:crypto';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { GcsConfig } from '../../registry/config/types.ts';
import { stablePort, startServer } from './apiserver-process.ts';
import { tool } from './tools.ts';

export interface FakeGcs {
  readonly url: string;
  /** Makes a bucket and gives the configuration of a registry in it. */
  bucket(over?: Partial<GcsConfig>): Promise<GcsConfig>;
  stop(): Promise<void>;
}

/** Milliseconds until it has to answer. */
const PATIENCE = 60_000;

/** Starts it with its data in memory; the kernel ends it with this process. The program has to be there: see `missing`. */
export async function startFakeGcs(): Promise<FakeGcs> {
  const program = await tool('fake-gcs-server');
  if (typeof program !== 'string') throw new Error(program.reason);
  const folder = await mkdtemp(join(tmpdir(), 'berth-gcs-'));
  const port = await stablePort();
  const url = `http://127.0.0.1:${port}`;
  const log = join(folder, 'log');
  const args = ['-scheme', 'http', '-host', '127.0.0.1', '-port', String(port), '-public-host', `127.0.0.1:${port}`];
  // Large cases at full size would not fit into memory.
  const data = process.env['BERTH_LONG'] === '1' ? ['-filesystem-root', join(folder, 'data')] : ['-backend', 'memory'];
  const child = await startServer(program, [...args, ...data, '-log-level', 'error'], { cwd: folder, log });
  for (const end = performance.now() + PATIENCE; ; await sleep(50)) {
    const answer = await fetch(`${url}/_internal/healthcheck`, { signal: AbortSignal.timeout(5000) }).catch(() => {});
    await answer?.body?.cancel();
    if (answer?.ok) break;
    if (performance.now() < end && !child.ended) continue;
    await child.kill();
    throw new Error(`fake-gcs-server does not answer on ${url}:\n${(await readFile(log, 'utf8')).slice(-2000)}`);
  }
  return {
    url,
    async bucket(over) {
      const name = `t-${randomUUID()}`;
      const headers = { 'content-type': 'application/json' };
      const made = await fetch(`${url}/storage/v1/b`, { method: 'POST', headers, body: JSON.stringify({ name }) });
      if (!made.ok) throw new Error(`no bucket could be made: ${made.status} ${await made.text()}`);
      await made.body?.cancel();
      return { ...configOf(name, url), ...over };
    },
    async stop() {
      await child.kill();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

const configOf = (bucket: string, endpoint: string): GcsConfig => ({
  type: 'gcs',
  bucket,
  keyfile: undefined,
  credentials: undefined,
  rootdirectory: '',
  chunksize: 16 * 1024 * 1024,
  maxconcurrency: 50,
  endpoint,
});

/** The same as the `storage` of a registry's configuration. */
export function gcsSection(config: GcsConfig): Record<string, unknown> {
  const { type: _, ...parameters } = config;
  const written = Object.entries(parameters).filter(([, value]) => value !== undefined);
  return { filesystem: undefined, gcs: Object.fromEntries(written) };
}
