import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { renderCommand } from '../../operator/local/render.ts';
import { samplesIn } from '../contract/samples.ts';
import { recordedIo } from '../operator/local/io.ts';
import { type ApiServer, startApiServer } from '../support/apiserver.ts';
import { missing } from '../support/tools.ts';

const manifests = new URL('../../manifests', import.meta.url).pathname;
const skip = await missing('etcd', 'kube-apiserver', 'kubectl');

describe('the manifests on a real API server', { skip }, () => {
  let server: ApiServer;
  before(async () => {
    const started = await startApiServer();
    if ('reason' in started) throw new Error(started.reason);
    server = started;
  });
  after(() => server?.stop());

  test('kubectl apply -k takes them as they are, again without a change, under Pod Security "restricted"', async () => {
    // A first pass for the namespace, whose labels make the API server warn of what "restricted" forbids.
    await server.kubectl(['apply', '--server-side', '-k', manifests]);
    const again = await server.kubectl(['apply', '--server-side', '--warnings-as-errors', '-k', manifests]);
    assert.match(again, /deployment.apps\/berth-operator serverside-applied/);
    const generation = [
      '-n',
      'berth-system',
      'get',
      'deployment',
      'berth-operator',
      '-o',
      'jsonpath={.metadata.generation}',
    ];
    assert.equal(await server.kubectl(generation), '1');
    // The warning is given on create, so the Deployment is made once more beside the first.
    const copy = JSON.parse(
      await server.kubectl(['-n', 'berth-system', 'get', 'deployment', 'berth-operator', '-o', 'json']),
    );
    const { labels } = copy.metadata;
    const input = JSON.stringify({
      ...copy,
      metadata: { name: 'copy', namespace: 'berth-system', labels },
      status: undefined,
    });
    await server.kubectl(['create', '--warnings-as-errors', '--dry-run=server', '-f', '-'], { input });
  });

  test('the operator may do its work and nothing on nodes, roles or Pods', async () => {
    const can = async (...question: string[]): Promise<string> => {
      const as = '--as=system:serviceaccount:berth-system:berth-operator';
      const asked = server.kubectl(['auth', 'can-i', '-n', 'team', as, ...question]);
      return (await asked.catch((error) => error.stdout as string)).trim();
    };
    assert.equal(await can('patch', 'registries.berth.dev', '--subresource=status'), 'yes');
    assert.equal(await can('create', 'deployments.apps'), 'yes');
    assert.equal(await can('update', 'registries.berth.dev'), 'no');
    assert.equal(await can('create', 'pods'), 'no');
    assert.equal(await can('create', 'clusterroles'), 'no');
    assert.equal(await can('list', 'nodes'), 'no');
  });

  for (const { name, text, object } of samplesIn('manifests/samples')) {
    test(`what ${name} renders is accepted strictly, satisfies "restricted", and is stored as it was rendered`, async () => {
      const team = (object as { metadata: { name: string } }).metadata.name;
      const labels = { 'pod-security.kubernetes.io/warn': 'restricted' };
      const namespace = JSON.stringify({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: team, labels } });
      await server.kubectl(['apply', '-f', '-'], { input: namespace });
      const io = recordedIo({ input: text });
      assert.equal(await renderCommand(['-f', '-', '-n', team], io), 0, io.err());
      const apply = ['apply', '--server-side', '--validate=strict', '--warnings-as-errors', '-f', '-'];
      await server.kubectl(apply, { input: io.out() });
      // The API server itself writes a claim once more on its first update.
      await server.kubectl(apply, { input: io.out() });
      const version = [
        '-n',
        team,
        'get',
        'deploy,svc,secret,sa,pvc,pdb',
        '-o',
        'jsonpath={.items[*].metadata.resourceVersion}',
      ];
      const before = await server.kubectl(version);
      await server.kubectl(apply, { input: io.out() });
      assert.equal(await server.kubectl(version), before, 'a further application changes nothing');
    });
  }
});
