/**
 * A server under attack, beside a well-behaved client that works all the while and must never see anything unusual. In the
 * end nothing may have answered 500, no file may be open, and what stays behind has to be an upload that a purge can find.
 */
import assert from 'node:assert/strict';
import { existsSync, globSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { after, before } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { eventually } from '../support/eventually.ts';
import { createPushClient, digestOf, type PushClient } from '../support/push-client.ts';
import { createChance } from '../support/push-client-random.ts';
import { type RegistryProcess, startRegistry, temporaryFolder } from '../support/registry-process.ts';

export const name = 'victim';
export const layer = createChance('victim').bytes(2_000_000);

export interface Victim {
  readonly port: number;
  readonly client: PushClient;
  /** Digest of the image `victim:v1`, whose one layer is `layer`. */
  readonly digest: string;
  /** How often the well-behaved client has pushed and pulled. */
  readonly rounds: number;
}

/** Descriptors that a server may have opened for good while it worked. */
const slack = 20;

const openDescriptors = ({ pid }: RegistryProcess): number =>
  process.platform === 'linux' ? readdirSync(`/proc/${pid}/fd`).length : 0;

/** Starts the server before the tests of a file, and looks at it after them. */
export function victim(): () => Victim {
  const cleanup: (() => Promise<void>)[] = [];
  let root = '';
  let server: RegistryProcess;
  let client: PushClient;
  let digest = '';
  let descriptors = 0;
  let isOver = false;
  let rounds = 0;
  let behaving: Promise<void> = Promise.resolve();

  async function behave(): Promise<void> {
    const good = createPushClient(server.url, { connections: 4 });
    const chance = createChance('well-behaved');
    try {
      for (; !isOver; rounds++) {
        const bytes = chance.bytes(100_000);
        const pushed = await good.pushImage('good', `t${rounds % 5}`, [bytes]);
        assert.equal((await good.pullManifest('good', `t${rounds % 5}`)).digest, pushed.digest);
        assert.ok((await good.pullBlob('good', digestOf(bytes))).equals(bytes));
        await sleep(20);
      }
    } finally {
      await good.close();
    }
  }

  before(async () => {
    const context = { after: (work: () => Promise<void>) => void cleanup.unshift(work) };
    root = join(await temporaryFolder(context), 'data');
    server = await startRegistry(context, { root });
    client = createPushClient(server.url);
    digest = (await client.pushImage(name, 'v1', [layer])).digest;
    behaving = behave();
    // Seen in `after`; a failure must not end the process before that.
    behaving.catch(() => undefined);
    descriptors = openDescriptors(server);
  });

  after(async () => {
    isOver = true;
    try {
      await behaving;
      assert.ok(rounds > 3, 'the well-behaved client got on with its work');
      assert.equal((await client.pullManifest(name, 'v1')).digest, digest);
      await client.pullBlob(name, digestOf(layer));
      for (const folder of globSync('docker/registry/v2/repositories/*/_uploads/*', { cwd: root })) {
        const content = readdirSync(join(root, folder));
        assert.ok(existsSync(join(root, folder, 'startedat')), `purge cannot find ${folder}: it holds ${content}`);
      }
      assert.deepEqual(globSync('docker/registry/v2/**/*.tmp', { cwd: root }), [], 'temporary files');
      await eventually(() => assert.ok(openDescriptors(server) <= descriptors + slack, 'files stay open'), 10_000);
      assert.deepEqual(server.complaints(), []);
    } finally {
      await client?.close();
      for (const work of cleanup) await work();
    }
  });

  return () => ({ port: server.port, client, digest, rounds });
}
