/**
 * Clients that push, tag, mount and delete while their servers are killed again and again: after each restart everything
 * that was answered 2xx is there with the right bytes, what was deleted stays deleted, nothing half-written can be seen, and
 * unfinished uploads go on where the registry says.
 */
import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { createPushClient, digestOf, type PushClient } from '../support/push-client.ts';
import { createChance, freshSeed } from '../support/push-client-random.ts';
import { type Json, startRegistry } from '../support/registry-process.ts';
import { createJournal, type Journal } from './journal.ts';
import { createPusher, type Unfinished } from './pusher.ts';

const clients = 4;
const largest = 8 * 1024 * 1024;
const names = ['apps/web', 'apps/web/worker', 'base', 'team-a/tools__x/cli.v2'] as const;

export interface Campaign {
  readonly replicas: number;
  /** Pushes that have to be begun, and how often the servers have to be killed, at least. */
  readonly pushes: number;
  readonly kills: number;
  /** The longest a server lives, in milliseconds from its first answer. */
  readonly longestLife: number;
  /** The storage folder; with a storage of `config` only the configuration lies beside it. */
  readonly root: string;
  readonly config?: Json;
  /** Ids of the uploads that a repository has in the storage. */
  readonly uploadsOf: (name: string) => Promise<readonly string[]>;
}

/** Starts the servers on the same ports each time, with a client that asks them in turn. */
async function startAll(t: TestContext, { root, config = {}, replicas: count }: Campaign, ports: number[]) {
  const servers = await Promise.all(
    Array.from({ length: count }, (_, at) =>
      startRegistry(t, { root, config, ...(ports[at] === undefined ? {} : { port: ports[at] }) }),
    ),
  );
  ports.splice(0, ports.length, ...servers.map(({ port }) => port));
  const [first = '', ...replicas] = servers.map(({ url }) => url);
  return { servers, client: createPushClient(first, { replicas }) };
}

export async function fight(t: TestContext, campaign: Campaign): Promise<void> {
  const chance = createChance(freshSeed());
  t.diagnostic(`SEED=${chance.seed}`);
  const journal = createJournal(() => chance.integer(10) === 0);
  const common = [Buffer.alloc(0), chance.bytes(1000), chance.bytes(300_000)] as const;
  const pushers = Array.from({ length: clients }, (_, index) =>
    createPusher({
      ...{ id: `w${index}`, names: [...names], common: [...common], largest },
      ...{ chance: chance.branch(`w${index}`), journal },
    }),
  );
  const pushes = (): number => pushers.reduce((sum, pusher) => sum + pusher.pushes, 0);
  const ports: number[] = [];
  let kills = 0;
  let verified = 0;
  let resumed = 0;

  while (pushes() < campaign.pushes || kills < campaign.kills) {
    const { servers, client } = await startAll(t, campaign, ports);
    try {
      verified += await journal.verify(client, { all: false });
      for (const pusher of pushers) resumed += await goOn(client, journal, pusher.unfinished.splice(0));
      const work = Promise.all(pushers.map((pusher) => pusher.run(client)));
      await Promise.race([work, sleep(20 + chance.integer(campaign.longestLife))]);
      for (const server of servers) {
        await server.kill();
        kills++;
        // The others go on for a moment.
        await sleep(chance.integer(50));
      }
      await work;
      for (const server of servers) assert.deepEqual(server.complaints(), []);
    } catch (error) {
      for (const server of servers) t.diagnostic(`standard error: ${server.stderr().slice(-3000)}`);
      throw error;
    } finally {
      await client.close();
    }
  }

  const { client } = await startAll(t, campaign, ports);
  t.after(() => client.close());
  const everything = await journal.verify(client, { all: true });
  for (const pusher of pushers) resumed += await goOn(client, journal, pusher.unfinished.splice(0));
  const leftovers = await answerLeftovers(client, campaign);
  t.diagnostic(
    `${kills} kills, ${pushes()} pushes begun, ${verified} looks between kills, ${everything} at the end, ` +
      `${resumed} uploads resumed, ${leftovers} unfinished ones of torn pushes answered`,
  );
  assert.ok(resumed > 0, 'some upload was resumed');
  assert.ok(journal.present('tag').length > 0 && journal.present('manifest').length > 0, 'something was pushed');
}

/** Each upload is where it was acknowledged, or further; its bytes are right, since the whole of it gets its digest. */
async function goOn(client: PushClient, journal: Journal, uploads: readonly Unfinished[]): Promise<number> {
  for (const { name, location, bytes, acknowledged } of uploads) {
    const status = await client.expect(204, 'GET', location);
    const last = Number(/^0-(\d+)$/.exec(status.headers['range'] ?? '')?.[1]);
    // An empty upload says 0-0, as one of a single byte does; then it is too small to matter.
    const stored = last === 0 ? 0 : last + 1;
    assert.ok(
      stored >= acknowledged && stored < bytes.length,
      `${location}: ${stored} of ${acknowledged} acknowledged`,
    );
    const next = status.headers['location'] ?? '';
    const digest = digestOf(bytes);
    if (last === 0) {
      await client.expect(204, 'DELETE', next);
      continue;
    }
    const change = [{ kind: 'blob', name, id: digest }, digest] as const;
    await journal.attempt([change], () => client.finishUpload(next, digest, bytes.subarray(stored)));
    await client.pullBlob(name, digest);
  }
  return uploads.length;
}

/** Uploads of pushes that the crash tore: gone, or there to be cancelled. */
async function answerLeftovers(client: PushClient, { uploadsOf }: Campaign): Promise<number> {
  let count = 0;
  for (const name of names) {
    for (const id of await uploadsOf(name)) {
      const url = `/v2/${name}/blobs/uploads/${id}`;
      const { status } = await client.expect([204, 404], 'GET', url);
      if (status === 204) await client.expect(204, 'DELETE', url);
      count++;
    }
  }
  return count;
}
