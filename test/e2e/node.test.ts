import assert from 'node:assert/strict';
import { readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { eventually } from '../support/eventually.ts';
import { requireNode } from '../support/node-cluster.ts';
import { writeBusyboxArchive } from '../support/node-image.ts';
import { requireTool } from '../support/tools.ts';

/** What the end-to-end tests lean on: an imported image, a pull by hosts.toml, a volume of the node, DNS, a forward. */
test('a node of its own runs Pods', { timeout: 900_000 }, async (t) => {
  const paths = await requireTool(t, 'busybox', 'docker-registry', 'skopeo');
  if (!paths) return;
  const node = await requireNode(t);
  if (!node) return;
  for (const { step, seconds } of node.timings) t.diagnostic(`${seconds.toFixed(1)} s: ${step}`);
  const apply = (object: object) => node.kubectl(['apply', '-f', '-'], { input: JSON.stringify(object) });
  const pod = (name: string, spec: object) =>
    apply({
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name, labels: { app: name } },
      spec: { terminationGracePeriodSeconds: 1, ...spec },
    });
  const ready = (name: string) =>
    node.kubectl(['wait', '--for=condition=Ready', `pod/${name}`, '--timeout=120s'], { deadline: 130_000 });

  await t.test('from an imported image, on a local ReadWriteMany volume, as a user without rights', async () => {
    const archive = join(node.folder, 'web.tar');
    await writeBusyboxArchive(
      { file: archive, name: 'localhost/web:1', busybox: paths.busybox },
      { 'www/index.html': 'hello from the image\n' },
    );
    await node.importImage(archive);
    const folder = await node.addLocalVolume({ name: 'shared' });
    await apply({
      apiVersion: 'v1',
      kind: 'PersistentVolumeClaim',
      metadata: { name: 'shared' },
      spec: {
        accessModes: ['ReadWriteMany'],
        storageClassName: 'local',
        resources: { requests: { storage: '1Gi' } },
      },
    });
    await pod('web', {
      securityContext: {
        runAsNonRoot: true,
        runAsUser: 65532,
        fsGroup: 65532,
        seccompProfile: { type: 'RuntimeDefault' },
      },
      containers: [
        {
          name: 'web',
          image: 'localhost/web:1',
          imagePullPolicy: 'IfNotPresent',
          command: ['sh', '-c', 'echo kept >/data/file; exec httpd -f -p 8080 -h /www'],
          ports: [{ containerPort: 8080, name: 'http' }],
          readinessProbe: { httpGet: { path: '/', port: 'http' }, periodSeconds: 1 },
          resources: { limits: { cpu: '200m', memory: '32Mi' } },
          securityContext: {
            allowPrivilegeEscalation: false,
            readOnlyRootFilesystem: true,
            capabilities: { drop: ['ALL'] },
          },
          volumeMounts: [{ name: 'data', mountPath: '/data' }],
        },
      ],
      volumes: [{ name: 'data', persistentVolumeClaim: { claimName: 'shared' } }],
    });
    await ready('web');
    assert.equal(await readFile(join(folder, 'file'), 'utf8'), 'kept\n');
    assert.equal((await stat(join(folder, 'file'))).uid, 65532);
  });

  await t.test('reached through its Service by DNS from a Pod, and from outside through a forward', async () => {
    await apply({
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name: 'web' },
      spec: { type: 'NodePort', selector: { app: 'web' }, ports: [{ port: 80, targetPort: 'http', nodePort: 30080 }] },
    });
    const forward = await node.forward(`${node.address}:30080`);
    await eventually(async () => {
      const response = await fetch(`http://${forward.address}/`);
      assert.equal(await response.text(), 'hello from the image\n');
    });
    const fromPod = await node.kubectl([
      'exec',
      'web',
      '--',
      'wget',
      '-q',
      '-O',
      '-',
      'http://web.default.svc.cluster.local/',
    ]);
    assert.equal(fromPod, 'hello from the image\n');
  });

  await t.test('pulled by the kubelet from a registry that hosts.toml maps to a reachable address', async () => {
    const config = join(node.folder, 'registry.yml');
    const policy = join(node.folder, 'policy.json');
    const storage = { filesystem: { rootdirectory: join(node.folder, 'registry') } };
    await writeFile(config, JSON.stringify({ version: '0.1', storage, http: { addr: '127.0.0.1:5000' } }));
    await writeFile(policy, JSON.stringify({ default: [{ type: 'insecureAcceptAnything' }] }));
    node.spawn([paths['docker-registry'], 'serve', config], { stdio: 'ignore' });
    const archive = join(node.folder, 'pulled.tar');
    await writeBusyboxArchive({ file: archive, name: 'x:1', busybox: paths.busybox }, { 'tmp/pulled': 'yes' });
    const push = [paths.skopeo, 'copy', '--policy', policy, '--dest-tls-verify=false', '--retry-times=5'];
    await eventually(async () => {
      await node.exec([...push, `oci-archive:${archive}`, 'docker://127.0.0.1:5000/lab/pulled:1']);
    });
    await node.writeHostsToml('registry.default.svc:5000', 'http://127.0.0.1:5000');
    await pod('pulled', { containers: [{ name: 'c', image: 'registry.default.svc:5000/lab/pulled:1' }] });
    await ready('pulled');
    assert.equal(await node.kubectl(['exec', 'pulled', '--', 'cat', '/tmp/pulled']), 'yes');
  });
});
