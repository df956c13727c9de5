/** A real S3 server for tests: versitygw on a temporary folder, or MinIO as a second opinion (`BERTH_S3=minio`). */
import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { CreateBucketCommand, S3Client } from '@aws-sdk/client-s3';
import type { S3Config } from '../../registry/config/types.ts';
import { stablePort } from './apiserver-process.ts';
import { tools } from './tools.ts';

export const credentials = { accesskey: 'berth-tests', secretkey: 'a secret of the tests' };

export interface S3Server {
  /** `http://127.0.0.1:PORT`. */
  readonly endpoint: string;
  readonly port: number;
  readonly pid: number;
  /** Where the server keeps its files. */
  readonly folder: string;
  /** A client of the tests' own. */
  readonly client: S3Client;
  /** Makes a bucket that nobody else uses; resolves with a configuration for it. */
  bucket(config?: Partial<S3Config>): Promise<S3Config>;
  stop(): Promise<void>;
}

/** Which server the tests run against. */
export const kind: 'versitygw' | 'minio' = process.env['BERTH_S3'] === 'minio' ? 'minio' : 'versitygw';

const running = new Set<ChildProcess>();
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});

/**
 * Starts a server, or tells why this machine cannot have one. It is ended by `stop`, and with this process. `parent`: where
 * its folder is made.
 */
export async function startS3(parent = tmpdir()): Promise<S3Server | { readonly reason: string }> {
  const found = await tools(kind);
  if ('reason' in found) return found;
  const program = Object.values(found)[0] ?? '';
  const folder = await mkdtemp(join(parent, 'berth-s3-'));
  await mkdir(join(folder, 'data'));
  const port = await stablePort();
  const child = spawn('setpriv', ['--pdeathsig', 'KILL', program, ...argumentsOf(folder, port)], {
    stdio: ['ignore', 'ignore', 'pipe'],
    env: {
      PATH: process.env['PATH'],
      HOME: folder,
      MINIO_ROOT_USER: credentials.accesskey,
      MINIO_ROOT_PASSWORD: credentials.secretkey,
      MINIO_UPDATE: 'off',
      MINIO_BROWSER: 'off',
    },
  });
  running.add(child);
  let text = '';
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
    text = (text + chunk).slice(-10_000);
  });
  const gone = new Promise<void>((resolve) => {
    child.once('close', () => {
      running.delete(child);
      resolve();
    });
  });
  child.once('error', (error) => {
    text += String(error);
  });
  const endpoint = `http://127.0.0.1:${port}`;
  const client = new S3Client({
    endpoint,
    region: 'us-east-1',
    forcePathStyle: true,
    credentials: { accessKeyId: credentials.accesskey, secretAccessKey: credentials.secretkey },
    requestChecksumCalculation: 'WHEN_REQUIRED',
  });
  const server: S3Server = {
    endpoint,
    port,
    pid: child.pid ?? 0,
    folder: join(folder, 'data'),
    client,
    async bucket(config = {}) {
      const bucket = `b-${randomBytes(8).toString('hex')}`;
      await client.send(new CreateBucketCommand({ Bucket: bucket }));
      return configFor(endpoint, bucket, config);
    },
    async stop() {
      client.destroy();
      child.kill('SIGKILL');
      await gone;
      await rm(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 });
    },
  };
  for (const end = performance.now() + 30_000; running.has(child); await sleep(25)) {
    if (await listens(port)) return server;
    if (performance.now() > end) break;
  }
  await server.stop();
  throw new Error(`${kind} did not start:\n${text}`);
}

function argumentsOf(folder: string, port: number): readonly string[] {
  const address = `127.0.0.1:${port}`;
  const data = join(folder, 'data');
  if (kind === 'minio') return ['server', '--quiet', '--address', address, '--config-dir', join(folder, 'conf'), data];
  const { accesskey, secretkey } = credentials;
  const keys = ['--access', accesskey, '--secret', secretkey, '--region', 'us-east-1'];
  return [...keys, '--port', address, '--quiet', 'posix', data];
}

/** The driver's configuration as `storage.s3` gives it, with small parts, so that little content makes many. */
export function configFor(endpoint: string, bucket: string, over: Partial<S3Config> = {}): S3Config {
  return {
    type: 's3',
    ...credentials,
    sessiontoken: undefined,
    region: 'us-east-1',
    regionendpoint: endpoint,
    redirectendpoint: undefined,
    forcepathstyle: true,
    bucket,
    encrypt: false,
    keyid: undefined,
    secure: false,
    skipverify: false,
    v4auth: true,
    chunksize: 5 * 1024 * 1024,
    multipartcopychunksize: 8 * 1024 * 1024,
    multipartcopymaxconcurrency: 8,
    multipartcopythresholdsize: 8 * 1024 * 1024,
    rootdirectory: '',
    storageclass: 'STANDARD',
    objectacl: 'private',
    useragent: undefined,
    usedualstack: false,
    accelerate: false,
    usefipsendpoint: false,
    loglevel: 'off',
    ...over,
  };
}

/** The same as a registry's configuration file has it, instead of a folder. */
export function storageSection(config: S3Config): Record<string, unknown> {
  const { type: _, ...parameters } = config;
  const written = Object.entries(parameters).filter(([, value]) => value !== undefined);
  return { filesystem: undefined, s3: Object.fromEntries(written) };
}

function listens(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    const done = (is: boolean): void => {
      socket.destroy();
      resolve(is);
    };
    socket.once('connect', () => done(true));
    socket.once('error', () => done(false));
  });
}
