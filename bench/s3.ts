/**
 * `make bench-s3`: Berth and Distribution 3.1 over the same S3 server, large blobs also beside the SDK's own transfer to
 * and from it. Interleaved, medians; read the ratios. One transfer of a large blob is one sample.
 *
 *     node bench/s3.ts [--mib 1024] [--seconds 2] [--rounds 3] [--only TEXT]
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { S3Client } from '@aws-sdk/client-s3';
import { tool } from '../test/support/tools.ts';
import { createClient, randomImage } from './client.ts';
import { compare } from './compare.ts';
import { s3Rows } from './s3-rows.ts';
import { seedTrees } from './s3-seed.ts';
import { berth, bucketAccess, distribution, inBucket, type Server, s3Gateway } from './servers.ts';

const { values: options } = parseArgs({
  options: {
    mib: { type: 'string', default: '1024' },
    seconds: { type: 'string', default: '2' },
    rounds: { type: 'string', default: '3' },
    only: { type: 'string', default: '' },
  },
});

const folder = await mkdtemp(join(tmpdir(), 'berth-bench-'));
const started: Server[] = [];
process.on('SIGINT', () => process.exit(130));

try {
  await main();
} finally {
  for (const server of started.reverse()) await server.stop();
  await rm(folder, { recursive: true, force: true });
}

async function main(): Promise<void> {
  const wrk = await tool('wrk');
  if (typeof wrk !== 'string') throw new Error(`the benchmark needs wrk: ${wrk.reason}`);
  const gateway = await s3Gateway(folder);
  started.push(gateway);
  const registries: Server[] = [];
  for (const start of [berth, distribution]) {
    const server = await start(folder, inBucket(gateway, start === berth ? 'berth' : 'distribution'));
    started.push(server);
    registries.push(server);
  }
  const s3 = new S3Client({
    endpoint: gateway.url,
    region: bucketAccess.region,
    forcePathStyle: true,
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
    credentials: { accessKeyId: bucketAccess.accesskey, secretAccessKey: bucketAccess.secretkey },
  });
  const image = randomImage(4096);
  for (const server of registries) {
    await seedTrees(gateway, server.name);
    const client = createClient(server.url, 1);
    await client.pushImage('bench/pull', 'latest', image);
    await client.close();
  }
  // The transfers that the SDK makes run in this process.
  const sdk: Server = { name: 'sdk', url: gateway.url, pid: process.pid, folder, stop: async () => {} };
  await compare({
    servers: [...registries, sdk],
    rows: s3Rows(Number(options.mib), s3, image, wrk).filter(({ name }) => name.includes(options.only)),
    seconds: Number(options.seconds),
    rounds: Number(options.rounds),
    warmup: 5,
    print: console.log,
  });
  s3.destroy();
}
