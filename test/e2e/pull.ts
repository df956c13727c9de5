import assert from 'node:assert/strict';
import type { CoreV1Event, V1Pod } from '@kubernetes/client-node';
import { eventually } from '../support/eventually.ts';
import type { Ground } from './ground.ts';
import type { TestImage } from './images.ts';

/** Where the Pods that run pushed images live. */
export const appNamespace = 'apps';

/**
 * Runs a Pod whose image the kubelet has to ask a registry for, and checks that it did and that the image is the very one.
 *
 * @param reference the image without its tag: `NAME.NAMESPACE.svc:PORT/REPOSITORY`
 */
export async function runPulled({ node, objects }: Ground, image: TestImage, reference: string): Promise<void> {
  const name = `runs-${image.word}`;
  await objects.apply({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace: appNamespace },
    spec: {
      terminationGracePeriodSeconds: 0,
      securityContext: { runAsNonRoot: true, runAsUser: 1000, seccompProfile: { type: 'RuntimeDefault' } },
      containers: [
        {
          name: 'main',
          image: `${reference}:${image.word}`,
          imagePullPolicy: 'Always',
          command: ['sh', '-c', 'echo "$(cat /www/word)"; exec sleep 100000'],
          securityContext: { allowPrivilegeEscalation: false, capabilities: { drop: ['ALL'] } },
        },
      ],
    },
  });
  await objects.waitFor('condition=Ready', `pod/${name}`, appNamespace);
  await eventually(async () => assert.equal(await node.kubectl(['-n', appNamespace, 'logs', name]), `${image.word}\n`));
  const pod = await objects.get<V1Pod>('pod', appNamespace, name);
  assert.equal(pod.status?.containerStatuses?.[0]?.imageID, `${reference}@${image.digest}`);
  const events = await objects.list<CoreV1Event>('events', appNamespace);
  const pulled = events.filter(({ involvedObject, reason }) => involvedObject.name === name && reason === 'Pulled');
  assert.match(pulled.map(({ message }) => message).join(), /Successfully pulled image/);
}
