/** Other registries on a folder: docker-registry 2.8 and Distribution 3.1, the programs whose tree Berth shares. */
import { execFile } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { stablePort } from './apiserver-process.ts';
import {
  type Cleanup,
  type Json,
  merge,
  type RegistryProcess,
  secret,
  startRegistry,
  startServer,
} from './registry-process.ts';

export type Peer = 'docker-registry' | 'distribution';
export type Server = Peer | 'berth';

/** Paths of the programs, by name. */
export type Programs = Readonly<Record<Peer, string>>;

const run = promisify(execFile);
/** 3.x would look for a trace collector. */
/** 2.8 cannot load a bundle that the environment names for S3. */
const quiet = { OTEL_TRACES_EXPORTER: 'none', AWS_CA_BUNDLE: '' };
/** Milliseconds; the trees of tests are small. */
const gcDeadline = 120_000;

/** `over`: laid over the configuration, as for Berth; with another storage `root` is only where the file lies beside. */
async function writeConfig(root: string, port: number, over: Json): Promise<string> {
  const path = join(dirname(root), `peer-${port}.json`);
  const config = {
    version: '0.1',
    log: { level: 'warn', accesslog: { disabled: true } },
    storage: { filesystem: { rootdirectory: root }, delete: { enabled: true } },
    http: { addr: `127.0.0.1:${port}`, secret },
  };
  await writeFile(path, JSON.stringify(merge(config, over)));
  return path;
}

/** Any of the three on the folder, with the same secret and deletion allowed. */
export async function startOn(
  t: Cleanup,
  server: Server,
  root: string,
  programs: Programs,
  config: Json = {},
): Promise<RegistryProcess> {
  if (server === 'berth') return startRegistry(t, { root, config });
  const port = await stablePort();
  return startServer(t, {
    command: [programs[server], 'serve', await writeConfig(root, port, config)],
    port,
    env: quiet,
  });
}

/** Runs a peer's `garbage-collect`; resolves with what it printed, throws if it failed. */
export async function garbageCollect(program: string, root: string, ...flags: readonly string[]): Promise<string> {
  return garbageCollectOf(program, root, {}, ...flags);
}

/** The same with a configuration of its own; Berth's `bin/registry` takes the same command line. */
export async function garbageCollectOf(
  program: string,
  root: string,
  over: Json,
  ...flags: readonly string[]
): Promise<string> {
  const config = await writeConfig(root, 1, over);
  const options = { env: { ...process.env, ...quiet }, timeout: gcDeadline, maxBuffer: 64 * 1024 * 1024 };
  const { stdout, stderr } = await run(program, ['garbage-collect', ...flags, config], options);
  return stdout + stderr;
}
