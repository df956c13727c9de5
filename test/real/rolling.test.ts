/**
 * A rollout: Distribution 3.1, 2.8 and Berth behind one balancer, on one folder, with the same `http.secret`. Whichever
 * replica a request meets, clients see one registry.
 */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { promisify } from 'node:util';
import { createPushClient, digestOf, type PushClient, types, ways } from '../support/push-client.ts';
import { createChance, freshSeed } from '../support/push-client-random.ts';
import { type RegistryProcess, startRegistry, temporaryFolder } from '../support/registry-process.ts';
import { startRoundRobin } from '../support/round-robin.ts';
import { requireTool } from '../support/tools.ts';
import { type Programs, type Server, startOn } from '../support/tree-peer.ts';

const run = promisify(execFile);
const servers: readonly Server[] = ['distribution', 'berth', 'docker-registry'];
const octets = { 'content-type': 'application/octet-stream' };

interface Rollout {
  readonly processes: Readonly<Record<Server, RegistryProcess>>;
  readonly clients: Readonly<Record<Server, PushClient>>;
  readonly folder: string;
  readonly root: string;
}

async function rollout(t: TestContext, programs: Programs): Promise<Rollout> {
  const folder = await temporaryFolder(t);
  const root = join(folder, 'data');
  const started = await Promise.all(servers.map((server) => startOn(t, server, root, programs)));
  const of = <T>(make: (process: RegistryProcess) => T): Record<Server, T> =>
    Object.fromEntries(servers.map((server, at) => [server, make(started[at] as RegistryProcess)])) as Record<
      Server,
      T
    >;
  const clients = of(({ url }) => createPushClient(url));
  t.after(() => Promise.all(servers.map((server) => clients[server].close())).then(() => undefined));
  return { processes: of((process) => process), clients, folder, root };
}

/** Path and query of a Location: hosts differ, the rest has to do for any of them. */
const pathOf = (location: string): string => {
  const { pathname, search } = new URL(location, 'http://any');
  return pathname + search;
};

test('crane pushes and pulls through the mixture', async (t) => {
  const programs = await requireTool(t, 'docker-registry', 'distribution', 'crane');
  if (!programs) return;
  const { processes, clients, folder } = await rollout(t, programs);
  const balancer = await startRoundRobin(t, Object.values(processes));
  const crane = async (...args: string[]): Promise<string> =>
    (
      await run(programs.crane, [...args, '--insecure'], { timeout: 60_000, env: { ...process.env, HOME: folder } })
    ).stdout.trim();
  const chance = createChance('crane');
  await clients.berth.pushImage('source', 'v1', [chance.bytes(3_000_000), chance.bytes(40_000)]);
  const host = new URL(balancer.url).host;
  const source = `127.0.0.1:${processes.berth.port}/source:v1`;
  const digest = await crane('digest', source);
  for (const round of ['first', 'second', 'third', 'fourth']) {
    await crane('copy', source, `${host}/crane/${round}:v1`);
    for (const server of servers) {
      const found = `127.0.0.1:${processes[server].port}/crane/${round}:v1`;
      assert.equal(await crane('digest', found), digest, server);
    }
    await crane('pull', `${host}/crane/${round}:v1`, join(folder, `${round}.tar`));
  }
  const layout = join(folder, 'layout');
  await crane('pull', '--format=oci', `${host}/crane/first:v1`, layout);
  await crane('push', layout, `${host}/crane/again:v2`);
  assert.equal(await crane('digest', `${host}/crane/again:v2`), digest);
  assert.ok(
    balancer.counts.every((count) => count > 10),
    `requests by server: ${balancer.counts.join(', ')}`,
  );
});

test('every way of pushing, many at once, each request to the next replica', async (t) => {
  const programs = await requireTool(t, 'docker-registry', 'distribution');
  if (!programs) return;
  const { processes, clients } = await rollout(t, programs);
  const chance = createChance(freshSeed());
  t.diagnostic(`SEED=${chance.seed}`);
  const [first = '', ...replicas] = servers.map((server) => processes[server].url);
  const mixture = createPushClient(first, { replicas });
  t.after(() => mixture.close());
  const shared = chance.bytes(50_000);
  const names = ['mix/a', 'mix/b', 'mix/c', 'mix/d'];
  const pushed = await Promise.all(
    names.map(async (name) => {
      const layers = [shared];
      for (const way of ways) {
        const layer = chance.bytes(1 + chance.size(400_000));
        await mixture.pushBlob(name, layer, way);
        layers.push(layer);
      }
      return { name, layers, image: await mixture.pushImage(name, 'v1', layers) };
    }),
  );
  for (const { name, layers, image } of pushed) {
    for (const server of servers) {
      assert.equal((await clients[server].pullManifest(name, 'v1')).digest, image.digest, server);
      for (const layer of layers) await clients[server].pullBlob(name, digestOf(layer));
      assert.deepEqual(await clients[server].tags(name), ['v1']);
    }
    await mixture.expect(202, 'DELETE', `/v2/${name}/manifests/${image.digest}`);
    for (const server of servers) await clients[server].expect(404, 'GET', `/v2/${name}/manifests/${image.digest}`);
  }
  assert.deepEqual(processes.berth.complaints(), []);
});

const pairs = servers.flatMap((one) => servers.filter((other) => other !== one).map((other) => [one, other] as const));

test('an upload begun at one is finished at any other, by the Location that the first one gave', async (t) => {
  const programs = await requireTool(t, 'docker-registry', 'distribution');
  if (!programs) return;
  const { clients } = await rollout(t, programs);
  const chance = createChance('hand over');
  for (const [one, other] of pairs) {
    const [from, to] = [clients[one], clients[other]];
    const at = (client: PushClient, location: string): string => client.url + pathOf(location);
    // At once, with everything.
    const whole = chance.bytes(100_000);
    await to.finishUpload(at(to, await from.beginUpload('app')), digestOf(whole), whole);
    // After a piece, with the rest; and the status in between is what the first one stored.
    const bytes = chance.bytes(300_000);
    const location = await from.append(await from.beginUpload('app'), bytes.subarray(0, 100_000), 0);
    const status = await to.expect(204, 'GET', pathOf(location));
    assert.equal(status.headers['range'], '0-99999', `${one} to ${other}`);
    const next = await to.append(at(to, location), bytes.subarray(100_000, 200_000), 100_000);
    // And back again.
    const last = await from.append(at(from, next), bytes.subarray(200_000), 200_000);
    await to.finishUpload(at(to, last), digestOf(bytes));
    for (const server of servers) {
      for (const content of [whole, bytes]) await clients[server].pullBlob('app', digestOf(content));
    }
    // Cancelled.
    const doomed = pathOf(await from.append(await from.beginUpload('app'), bytes.subarray(0, 10)));
    await to.expect(204, 'DELETE', doomed);
    await from.expect(404, 'GET', doomed);
  }
});

test('`_state` is checked as Distribution does, and done without where a client drops the query', async (t) => {
  const programs = await requireTool(t, 'docker-registry', 'distribution');
  if (!programs) return;
  const { clients, root } = await rollout(t, programs);
  const other = await startRegistry(t, { root, config: { http: { secret: 'another secret' } } });
  const stranger = createPushClient(other.url);
  t.after(() => stranger.close());
  const answer = async (client: PushClient, path: string, body: Buffer): Promise<string> => {
    const reply = await client.send('PATCH', path, { headers: octets, body });
    const { errors } = JSON.parse(reply.body.toString() || '{}') as { errors?: { code: string }[] };
    return `${reply.status} ${errors?.map(({ code }) => code).join(' ') ?? ''}`.trim();
  };
  const bytes = Buffer.from('some bytes');
  for (const origin of servers) {
    const [first, second] = [
      pathOf(await clients[origin].beginUpload('app')),
      pathOf(await clients[origin].beginUpload('app')),
    ];
    const foreign = `${first.split('?')[0]}?${second.split('?')[1]}`;
    const strange = `${first.split('?')[0]}?${pathOf(await stranger.beginUpload('app')).split('?')[1]}`;
    for (const server of servers) {
      assert.equal(
        await answer(clients[server], foreign, bytes),
        '404 BLOB_UPLOAD_INVALID',
        `${server}: of another upload`,
      );
      assert.equal(
        await answer(clients[server], strange, bytes),
        '404 BLOB_UPLOAD_INVALID',
        `${server}: of another secret`,
      );
    }
    await clients[origin].append(clients[origin].url + first, bytes);
    for (const server of servers) {
      const expected = server === 'docker-registry' ? '404 BLOB_UPLOAD_INVALID' : '416 RANGE_INVALID';
      assert.equal(await answer(clients[server], first, bytes), expected, `${server}: replayed`);
    }
    // Only Berth does without.
    const bare = second.split('?')[0] ?? '';
    assert.equal(await answer(clients.distribution, bare, bytes), '404 BLOB_UPLOAD_INVALID');
    assert.equal(await answer(clients.berth, bare, bytes), '202');
    await clients.berth.expect(201, 'PUT', `${bare}?digest=${digestOf(bytes)}`);
  }
  for (const server of servers) {
    const { body } = await clients[server].expect(200, 'GET', `/v2/app/blobs/${digestOf(bytes)}`);
    assert.equal(body.toString(), bytes.toString());
  }
});

test('replicas change while images are pushed: clients notice nothing', async (t) => {
  const programs = await requireTool(t, 'docker-registry', 'distribution');
  if (!programs) return;
  const folder = await temporaryFolder(t);
  const root = join(folder, 'data');
  const chance = createChance('rollout');
  const accept = { headers: { accept: types.manifest } };
  // As a Deployment of three replicas does it: one after the other is replaced, and back again.
  const stages: readonly (readonly Server[])[] = [
    ['distribution', 'distribution'],
    ['distribution', 'berth'],
    ['berth', 'berth'],
    ['berth', 'docker-registry'],
    ['docker-registry', 'docker-registry'],
  ];
  const expected = new Map<string, string>();
  let unfinished: { path: string; bytes: Buffer } | undefined;
  for (const [stage, kinds] of stages.entries()) {
    const running = await Promise.all(kinds.map((server) => startOn(t, server, root, programs)));
    const [first = '', ...replicas] = running.map(({ url }) => url);
    const client = createPushClient(first, { replicas });
    try {
      if (unfinished !== undefined) {
        const { path, bytes } = unfinished;
        await client.finishUpload(client.url + path, digestOf(bytes), bytes.subarray(1000));
        await client.pullBlob('app', digestOf(bytes));
      }
      for (let count = 0; count < 3; count++) {
        const { digest } = await client.pushImage('app', `v${stage}-${count}`, [chance.bytes(20_000)]);
        expected.set(`v${stage}-${count}`, digest);
      }
      const moved = await client.pushImage('app', 'latest', [chance.bytes(1000)]);
      expected.set('latest', moved.digest);
      for (const [tag, digest] of expected) {
        for (let turn = 0; turn < running.length; turn++) {
          const { headers } = await client.expect(200, 'HEAD', `/v2/app/manifests/${tag}`, accept);
          assert.equal(headers['docker-content-digest'], digest, `stage ${stage}: ${tag}`);
        }
      }
      const bytes = chance.bytes(5000);
      const location = await client.append(await client.beginUpload('app'), bytes.subarray(0, 1000));
      unfinished = { path: pathOf(location), bytes };
    } finally {
      await client.close();
      await Promise.all(running.map((process) => process.stop()));
    }
  }
});
