/** Azurite, Microsoft's emulator of Azure Blob Storage, as a process of a test. */
import { randomBytes, randomUUID } from 'node:crypto';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { BlobServiceClient, StorageSharedKeyCredential } from '@azure/storage-blob';
import type { AzureConfig } from '../../registry/config/types.ts';
import { type ServerProcess, stablePort, startServer } from './apiserver-process.ts';
import { tool } from './tools.ts';

export interface Azurite {
  readonly account: string;
  readonly key: string;
  /** With the account's name as its path. */
  readonly url: string;
  readonly service: BlobServiceClient;
  /** Makes a container and gives the configuration of a registry in it. */
  container(over?: Partial<AzureConfig>): Promise<AzureConfig>;
  stop(): Promise<void>;
}

/** Milliseconds until it has to answer. */
const PATIENCE = 60_000;

/** Starts it with its data in memory; the kernel ends it with this process. The program has to be there: see `missing`. */
export async function startAzurite(...args: readonly string[]): Promise<Azurite> {
  const program = await tool('azurite-blob');
  if (typeof program !== 'string') throw new Error(program.reason);
  const folder = await mkdtemp(join(tmpdir(), 'berth-azurite-'));
  const port = await stablePort();
  const [account, key] = ['berth', randomBytes(32).toString('base64')];
  // The only way to name accounts; read by the child when it starts.
  process.env['AZURITE_ACCOUNTS'] = `${account}:${key}`;
  const log = join(folder, 'log');
  // The SDK's version of the protocol is newer than the newest emulator; what we use of it is the same in both.
  const options = ['--blobPort', String(port), '--silent', '--disableTelemetry', '--skipApiVersionCheck'];
  // Large cases at full size would not fit into memory.
  const long = process.env['BERTH_LONG'] === '1';
  const data = long ? ['--location', folder] : ['--inMemoryPersistence', '--extentMemoryLimit', '4096'];
  const child = await startServer(process.execPath, [program, ...options, ...data, ...args], { cwd: folder, log });
  const url = `${args.includes('--cert') ? 'https' : 'http'}://127.0.0.1:${port}/${account}`;
  const service = new BlobServiceClient(url, new StorageSharedKeyCredential(account, key));
  await answering(child, url, log);
  return {
    account,
    key,
    url,
    service,
    async container(over) {
      const name = `t-${randomUUID()}`;
      await service.getContainerClient(name).create();
      return { ...configOf(account, key, url, name), ...over };
    },
    async stop() {
      await child.kill();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

function configOf(accountname: string, accountkey: string, serviceurl: string, container: string): AzureConfig {
  return {
    type: 'azure',
    accountname,
    accountkey,
    container,
    credentials: { type: 'shared_key', clientid: undefined, tenantid: undefined, secret: undefined },
    realm: 'core.windows.net',
    serviceurl,
    rootdirectory: '',
    maxretries: 5,
    retrydelay: 100,
    skipverify: false,
  };
}

async function answering(child: ServerProcess, url: string, log: string): Promise<void> {
  for (const end = performance.now() + PATIENCE; performance.now() < end && !child.ended; await sleep(50)) {
    const answer = await fetch(`${url}?comp=list`, { signal: AbortSignal.timeout(5000) }).catch(
      (error: Error) => error,
    );
    if (answer instanceof Response) return void (await answer.body?.cancel());
    // A certificate that is not trusted is an answer too.
    if (/CERT|SELF_SIGNED/.test(String((answer.cause as { code?: string } | undefined)?.code))) return;
  }
  await child.kill();
  throw new Error(`Azurite does not answer on ${url}:\n${(await readFile(log, 'utf8')).slice(-2000)}`);
}

/** The same as the `storage` of a registry's configuration. */
export function azureSection(config: AzureConfig): Record<string, unknown> {
  const { type: _, maxretries, retrydelay, credentials, ...parameters } = config;
  const written = Object.entries({ ...parameters, max_retries: maxretries, retry_delay: `${retrydelay}ms` });
  const azure = {
    ...Object.fromEntries(written.filter(([, value]) => value !== undefined)),
    credentials: { type: credentials.type },
  };
  return { filesystem: undefined, azure };
}
