/** The registries under test, each a process of its own on loopback with its own folder, and nginx over the same content. */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { freePort } from '../operator/local/port.ts';
import { tool } from '../test/support/tools.ts';

export interface Server {
  readonly name: string;
  readonly url: string;
  /** Of the process, and of workers that it starts. */
  readonly pid: number;
  /** Where its content lies. */
  readonly folder: string;
  stop(): Promise<void>;
}

/** Milliseconds until a server has to answer. */
const patience = 20_000;

async function start(
  name: string,
  program: string,
  args: readonly string[],
  url: string,
  folder: string,
): Promise<Server> {
  const child: ChildProcess = spawn(program, args, { stdio: 'ignore' });
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  process.once('exit', () => child.kill('SIGKILL'));
  const deadline = Date.now() + patience;
  for (;;) {
    const answer = await fetch(`${url}/v2/`, { signal: AbortSignal.timeout(1000) }).catch(() => undefined);
    if (answer) break;
    if (Date.now() > deadline || child.exitCode !== null) throw new Error(`${name} did not start`);
    await delay(50);
  }
  return {
    name,
    url,
    folder,
    pid: child.pid ?? 0,
    async stop() {
      child.kill('SIGTERM');
      await Promise.race([ended, delay(3000)]);
      child.kill('SIGKILL');
      await ended;
    },
  };
}

async function needed(program: Parameters<typeof tool>[0]): Promise<string> {
  const found = await tool(program);
  if (typeof found !== 'string') throw new Error(`the benchmark needs ${program}: ${found.reason}`);
  return found;
}

/** What a registry's `storage` section holds besides `delete`, given a folder of its own. */
type Storage = (folder: string) => Readonly<Record<string, unknown>>;

const filesystem: Storage = (folder) => ({ filesystem: { rootdirectory: folder } });

/** The same settings for each: no access log, errors only, a page of the catalog of 1000. */
async function registry(name: string, program: string, parent: string, storage = filesystem): Promise<Server> {
  const folder = join(parent, name);
  await mkdir(folder, { recursive: true });
  const port = await freePort(0);
  const configuration = join(parent, `${name}.yml`);
  await writeFile(
    configuration,
    JSON.stringify({
      version: '0.1',
      log: { level: 'error', accesslog: { disabled: true } },
      storage: { ...storage(folder), delete: { enabled: true } },
      http: { addr: `127.0.0.1:${port}`, secret: 'bench' },
    }),
  );
  return start(name, program, ['serve', configuration], `http://127.0.0.1:${port}`, folder);
}

export const berth = (parent: string, storage?: Storage): Promise<Server> =>
  registry('berth', new URL('../bin/registry', import.meta.url).pathname, parent, storage);
export const dockerRegistry = async (parent: string): Promise<Server> =>
  registry('docker-registry', await needed('docker-registry'), parent);
export const distribution = async (parent: string, storage?: Storage): Promise<Server> =>
  registry('distribution', await needed('distribution'), parent, storage);

/** Any words: the gateway listens on loopback, for as long as the benchmark runs. */
export const bucketAccess = { accesskey: 'bench', secretkey: 'bench-secret', region: 'us-east-1', bucket: 'bench' };

/** An S3 server over plain files: an object's key is its path below `folder/BUCKET`. */
export async function s3Gateway(parent: string): Promise<Server> {
  const folder = join(parent, 's3');
  await mkdir(join(folder, bucketAccess.bucket), { recursive: true });
  const port = await freePort(0);
  const { accesskey, secretkey, region } = bucketAccess;
  const flags = ['--access', accesskey, '--secret', secretkey, '--region', region, '--port', `127.0.0.1:${port}`];
  return start(
    's3',
    await needed('versitygw'),
    [...flags, '--quiet', 'posix', folder],
    `http://127.0.0.1:${port}`,
    folder,
  );
}

/** The storage section of a registry with a part of the bucket of its own; no redirects, so that all bytes pass it. */
export const inBucket =
  (gateway: Server, rootdirectory: string): Storage =>
  () => ({
    s3: { ...bucketAccess, regionendpoint: gateway.url, forcepathstyle: true, rootdirectory: `/${rootdirectory}` },
    redirect: { disable: true },
  });

/** Serves files that `seed` lays out under the URLs' own paths: the floor that any registry stands on. */
export async function nginx(parent: string): Promise<Server> {
  const folder = join(parent, 'nginx');
  await mkdir(join(folder, 'v2'), { recursive: true });
  const port = await freePort(0);
  const configuration = join(parent, 'nginx.conf');
  await writeFile(
    configuration,
    `worker_processes 2; daemon off; pid ${parent}/nginx.pid; error_log /dev/null;
events { worker_connections 512; }
http { access_log off; sendfile on; tcp_nopush on; etag off; keepalive_requests 1000000; open_file_cache max=5000;
  client_body_temp_path ${parent}/t1; proxy_temp_path ${parent}/t2; fastcgi_temp_path ${parent}/t3;
  uwsgi_temp_path ${parent}/t4; scgi_temp_path ${parent}/t5; default_type application/octet-stream;
  server { listen 127.0.0.1:${port}; root ${folder}; location / { try_files $uri $uri/index.json =404; } } }
`,
  );
  return start('nginx', await needed('nginx'), ['-c', configuration, '-p', parent], `http://127.0.0.1:${port}`, folder);
}
