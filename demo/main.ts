/**
 * `make demo`: a registry on this machine in one command. Prints `ready URL` once it answers, pushes a small image and pulls
 * it back, and stays up until Ctrl-C. The data goes with it.
 */
import { spawn } from 'node:child_process';
import { openSync, readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { freePort } from '../operator/local/port.ts';
import { pull, push } from './image.ts';

const launcher = new URL('../bin/registry', import.meta.url).pathname;
/** Milliseconds until the server has to answer. */
const patience = 20_000;

const folder = await mkdtemp(join(tmpdir(), 'berth-demo-'));
const port = wantedPort(process.env['PORT']) ?? (await freePort(0));
const url = `http://127.0.0.1:${port}`;
const configuration = join(folder, 'config.yml');
await writeFile(
  configuration,
  JSON.stringify({
    version: '0.1',
    log: { level: 'warn', accesslog: { disabled: true } },
    storage: { filesystem: { rootdirectory: join(folder, 'data') }, delete: { enabled: true } },
    http: { addr: `127.0.0.1:${port}`, secret: folder },
  }),
);

// A client's ordinary first push asks for much that is not there yet, and each such answer is a line in the log.
const logFile = join(folder, 'registry.log');
const log = openSync(logFile, 'w');
const server = spawn(launcher, ['serve', configuration], { stdio: ['ignore', 'ignore', log] });
const ended = new Promise<number>((resolve) => server.once('exit', (code) => resolve(code ?? 1)));
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => server.kill('SIGTERM'));
void ended.then(async (code) => {
  if (code !== 0) console.error(`demo: the registry ended with exit code ${code}:\n${readFileSync(logFile, 'utf8')}`);
  await rm(folder, { recursive: true, force: true });
  process.exit(code);
});

await answering();
console.log(`ready ${url}`);
try {
  const digest = await push(url, 'demo/hello', 'latest');
  console.log(`pushed 127.0.0.1:${port}/demo/hello:latest@${digest}`);
  console.log(`pulled it back: ${await pull(url, 'demo/hello', 'latest')} bytes, every digest right`);
  console.log(`try:  curl ${url}/v2/_catalog`);
  console.log(
    `      crane copy --insecure SOME/IMAGE 127.0.0.1:${port}/some/image   (or docker, podman, skopeo, oras, helm)`,
  );
  console.log('Ctrl-C ends it and removes its data');
} catch (error) {
  console.error(`demo: ${(error as Error).message}`);
  server.kill('SIGTERM');
}

async function answering(): Promise<void> {
  const deadline = Date.now() + patience;
  while (Date.now() < deadline) {
    const response = await fetch(`${url}/v2/`, { signal: AbortSignal.timeout(1000) }).catch(() => undefined);
    if (response?.ok) return;
    await delay(50);
  }
  console.error(`demo: the registry did not answer on ${url} within ${patience / 1000} s`);
  server.kill('SIGTERM');
}

function wantedPort(text: string | undefined): number | undefined {
  if (!text) return undefined;
  const number = Number(text);
  if (Number.isInteger(number) && number > 0 && number < 65_536) return number;
  console.error(`demo: PORT has to be a number from 1 to 65535, not ${text}`);
  process.exit(2);
}
