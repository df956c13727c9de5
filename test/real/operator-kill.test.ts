import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { KubeObject } from '../../operator/kube/object.ts';
import { resources } from '../../operator/kube/resources.ts';
import { eventually } from '../support/eventually.ts';
import { missing } from '../support/tools.ts';
import type { Operator } from './operator-proxy.ts';
import { type Rig, startRig } from './operator-rig.ts';

const skip = await missing('etcd', 'kube-apiserver', 'kubectl');

const first = {
  deletionPolicy: 'Delete',
  replicas: 2,
  storage: {
    type: 'PersistentVolume',
    persistentVolume: { claimTemplate: { size: '1Gi', accessModes: ['ReadWriteMany'] } },
  },
  expose: [{ name: 'nodes', type: 'NodePort' }],
};
const second = { ...first, replicas: 1, expose: [], observability: { log: { level: 'Debug' } } };

/** When the operator dies: before a write reaches the API server, or after it, without having seen the answer. */
type Moment = 'before' | 'after';

/** Where everything stands at the end of each act. */
interface Story {
  readonly created: unknown;
  readonly changed: unknown;
  readonly deleted: unknown;
  /** Writes that arrived, with those of the operator that was killed. */
  readonly writes: number;
  /** Those of them that are no Events. */
  readonly lasting: number;
  readonly kills: number;
}

describe('an operator that is killed at any of its writes ends where one ends that is not', { skip }, () => {
  let rig: Rig;
  before(async () => {
    rig = await startRig();
  });
  after(() => rig?.stop());

  /**
   * Creates, changes and deletes a Registry in a namespace of its own while an operator looks after it, which is killed at its n-th write
   * and started again.
   */
  async function tell(namespace: string, kill: { at: number; moment: Moment } | undefined): Promise<Story> {
    await rig.namespace(namespace);
    const { proxy, kubeconfig } = await rig.throughProxy();
    let operator: Operator = rig.operator(kubeconfig, ['--namespace', namespace]);
    let writes = 0;
    let lasting = 0;
    let kills = 0;
    proxy.meddle = ({ method, url }) => {
      if (method !== 'GET' && !url.includes('/events')) lasting++;
      if (method === 'GET' || ++writes !== kill?.at) return 'pass';
      kills++;
      operator.signal('SIGKILL');
      void operator.ended.then(() => {
        operator = rig.operator(kubeconfig, ['--namespace', namespace]);
      });
      return kill.moment === 'before' ? 'cut' : 'cut the answer';
    };
    await rig.registry(namespace, 'reg', first);
    const { metadata } = await rig.ready(namespace, 'reg');
    const created = await picture(namespace, metadata.uid ?? '');
    const key = await uploadKey(namespace);
    await rig.registry(namespace, 'reg', second);
    await rig.ready(namespace, 'reg');
    await eventually(async () => assert.equal(await rig.get(resources.service, namespace, 'reg-nodes'), undefined));
    await eventually(async () => assert.equal(await rig.get(resources.budget, namespace, 'reg'), undefined));
    const changed = await picture(namespace, metadata.uid ?? '');
    assert.equal(await uploadKey(namespace), key, 'the key of upload states is made once');
    await rig.client.delete(resources.registry, { namespace, name: 'reg' }, metadata.uid, new AbortController().signal);
    await eventually(async () => assert.equal(await rig.get(resources.registry, namespace, 'reg'), undefined));
    const claim = await rig.get(resources.claim, namespace, 'reg-data');
    // The claim is in use as far as the API server knows: it waits for the controller that is not there.
    const deleted = { claimGoing: claim === undefined || claim.metadata.deletionTimestamp !== undefined };
    await operator.kill();
    await proxy.close();
    return { created, changed, deleted, writes, lasting, kills };
  }

  async function uploadKey(namespace: string): Promise<string | undefined> {
    return ((await rig.get(resources.secret, namespace, 'reg-http'))?.data as { secret?: string } | undefined)?.secret;
  }

  /** All children and the status, without what differs from one Registry to the next. */
  async function picture(namespace: string, uid: string): Promise<unknown> {
    const objects: [string, unknown][] = [...(await rig.children(namespace, 'reg'))].map(([name, child]) => [
      name,
      essence(child),
    ]);
    const registry = await rig.get(resources.registry, namespace, 'reg');
    const { finalizers } = registry?.metadata ?? {};
    objects.push(['Registry', { finalizers, status: registry?.status }]);
    const text = JSON.stringify(Object.fromEntries(objects.sort(([a], [b]) => (a < b ? -1 : 1))));
    const plain = text
      .replaceAll(namespace, 'NAMESPACE')
      .replaceAll(uid, 'UID')
      .replaceAll(
        /"(lastTransitionTime|berth\.dev\/applied|berth\.dev\/content-hash|configHash|secret|clusterIP)":"[^"]*"/g,
        '"$1":"*"',
      )
      .replaceAll(/"clusterIPs":\[[^\]]*\]|"nodePort":\d+/g, '"*":"*"');
    return JSON.parse(plain);
  }

  function essence({ metadata, ...rest }: KubeObject): unknown {
    const { labels, annotations, ownerReferences, finalizers } = metadata;
    const { status: _, ...content } = rest as { status?: unknown };
    return { labels, annotations, ownerReferences, finalizers, ...content };
  }

  let untouched: Story;
  test('left alone it creates, changes and deletes a Registry with its children', async () => {
    untouched = await tell('calm', undefined);
    assert.ok(untouched.writes >= 15, `${untouched.writes} writes`);
    assert.equal(untouched.kills, 0);
    assert.deepEqual(untouched.deleted, { claimGoing: true });
    const names = Object.keys(untouched.created as object);
    assert.deepEqual(names.length, 9, names.join(', '));
  });

  for (const moment of ['before', 'after'] as const) {
    test(`killed ${moment === 'before' ? 'before a write arrives' : 'after a write, without its answer'}, at each write in turn`, async (t) => {
      assert.ok(untouched, 'the story without a kill was told');
      const attempts = Array.from({ length: untouched.writes }, (_, index) => index + 1);
      let killed = 0;
      // A few at a time: most of it is waiting for programs to start.
      const lane = async () => {
        for (let at = attempts.shift(); at !== undefined; at = attempts.shift()) {
          const story = await tell(`${moment}-${at}`, { at, moment });
          killed += story.kills;
          assert.deepEqual(story.created, untouched.created, `created, killed ${moment} write ${at}`);
          assert.deepEqual(story.changed, untouched.changed, `changed, killed ${moment} write ${at}`);
          assert.deepEqual(story.deleted, untouched.deleted, `deleted, killed ${moment} write ${at}`);
        }
      };
      await Promise.all([lane(), lane(), lane()]);
      t.diagnostic(`${killed} kills at ${untouched.writes} writes`);
      // Events are written in the background, and how many fall into the story differs; status writes may be merged.
      assert.ok(killed >= untouched.lasting - 2, `${killed} kills at ${untouched.lasting} lasting writes`);
    });
  }
});
