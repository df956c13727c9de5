/** Distribution and Berth, each on its own copy of one tree, with the same configuration. */
import { cp, writeFile } from 'node:fs/promises';
import http from 'node:http';
import { join } from 'node:path';
import { stablePort } from '../support/apiserver-process.ts';
import { createPushClient } from '../support/push-client.ts';
import {
  type Cleanup,
  type RegistryProcess,
  secret,
  startRegistry,
  startServer,
  temporaryFolder,
} from '../support/registry-process.ts';
import { plant } from './content.ts';
import type { Area, Setup } from './exchange.ts';
import { type Difference, differences, observe } from './observation.ts';
import { converse } from './send.ts';

type Json = Readonly<Record<string, unknown>>;

/** What each set-up adds to the configuration of both. */
const setups: Readonly<Record<Setup, { readonly http?: Json; readonly storage?: Json; readonly rest?: Json }>> = {
  default: {},
  prefix: { http: { prefix: '/registry/' } },
  host: { http: { host: 'https://registry.example.com:8443' } },
  relative: { http: { relativeurls: true } },
  'no-delete': { storage: { delete: { enabled: false } } },
  readonly: { storage: { maintenance: { readonly: { enabled: true } } } },
  'small-pages': { rest: { catalog: { maxentries: 4 }, tags: { maxtags: 4 } } },
  'no-validation': { rest: { validation: { disabled: true } } },
};

const headers = { 'X-Content-Type-Options': ['nosniff'], 'X-Twice': ['one', 'two'] };

function configOf(setup: Setup, root: string, port: number): Json {
  const more = setups[setup];
  return {
    version: '0.1',
    log: { level: 'warn', accesslog: { disabled: true } },
    storage: { filesystem: { rootdirectory: root }, delete: { enabled: true }, ...more.storage },
    http: { addr: `127.0.0.1:${port}`, secret, headers, ...more.http },
    ...more.rest,
  };
}

interface Planted {
  readonly folder: string;
  readonly program: string;
}

/** The tree of every test of this kind, made by Distribution itself. */
export async function plantWithDistribution(t: Cleanup, program: string): Promise<Planted> {
  const folder = await temporaryFolder(t);
  const seed = await startDistribution(t, { folder, program }, 'default', join(folder, 'seed'));
  const client = createPushClient(seed.url);
  await plant(client, join(folder, 'seed'));
  await client.close();
  await seed.kill();
  return { folder, program };
}

async function startDistribution(
  t: Cleanup,
  { folder, program }: Planted,
  setup: Setup,
  root: string,
): Promise<RegistryProcess> {
  const port = await stablePort();
  const path = join(folder, `distribution-${port}.json`);
  await writeFile(path, JSON.stringify(configOf(setup, root, port)));
  return startServer(t, {
    command: [program, 'serve', path],
    port,
    env: { OTEL_TRACES_EXPORTER: 'none' },
    prefix: prefixOf(setup),
  });
}

const prefixOf = (setup: Setup): string => (setups[setup].http?.['prefix'] as string | undefined) ?? '/';

/** What is compared of a request, and how many there were. */
export interface Comparison {
  readonly requests: number;
  readonly differences: readonly Difference[];
}

/** Asks both everything that a set-up has, in the same order, one request at a time. */
export async function compare(t: Cleanup, planted: Planted, setup: Setup, areas: readonly Area[]): Promise<Comparison> {
  const roots = ['theirs', 'ours'].map((side) => join(planted.folder, `${setup}-${side}`));
  for (const root of roots) await cp(join(planted.folder, 'seed'), root, { recursive: true });
  const [theirRoot = '', ourRoot = ''] = roots;
  const theirs = await startDistribution(t, planted, setup, theirRoot);
  const port = await stablePort();
  const config = configOf(setup, ourRoot, port);
  const ours = await startRegistry(t, { root: ourRoot, port, config, prefix: prefixOf(setup) });
  const agent = new http.Agent({ keepAlive: true });
  const found: Difference[] = [];
  let requests = 0;
  try {
    for (const area of areas) {
      for (const exchange of area.exchanges.filter((candidate) => candidate.setup === setup)) {
        const [one, other] = [await converse(agent, theirs.port, exchange), await converse(agent, ours.port, exchange)];
        requests += exchange.steps.length;
        for (const [at, reply] of one.entries()) {
          const place = exchange.steps.length === 1 ? exchange.name : `${exchange.name}, request ${at + 1}`;
          const answered = other[at];
          const method = exchange.steps[at]?.method ?? '';
          if (answered === undefined) throw new Error(`${place}: no answer of ours`);
          found.push(
            ...differences(
              `${area.name}: ${place}`,
              observe(method, reply, theirs.port),
              observe(method, answered, ours.port),
            ),
          );
        }
      }
    }
  } finally {
    agent.destroy();
    await Promise.all([theirs.kill(), ours.kill()]);
  }
  const complaints = ours.complaints();
  if (complaints.length > 0) throw new Error(`Berth complained:\n${complaints.join('\n')}`);
  return { requests, differences: found };
}
