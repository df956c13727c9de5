import { expectContent, expectHeader } from '../expect.ts';
import { dockerImage, dockerList, image, index, type Manifest, types } from '../images.ts';
import type { Family } from '../suite.ts';

/** `Accept`, whose negotiation the specification leaves open: what is stored is what comes (clause P1, row 30). */
export const accepts: Family = (clause) => {
  const headers: Record<string, Record<string, string | string[]>> = {
    'no Accept': {},
    '*/*': { accept: '*/*' },
    'application/*': { accept: 'application/*' },
    'a list with q-values': {
      accept: `${types.dockerManifest};q=0.5, ${types.index};q=0.9, ${types.image};q=0.8, */*;q=0.1`,
    },
    'several lines': { accept: [types.dockerManifest, types.dockerList, types.index, types.image] },
    'types in capitals': { accept: `${types.image.toUpperCase()}, ${types.index.toUpperCase()}` },
  };
  const formats: Record<string, () => Manifest> = {
    'an image': () => image(),
    'an index': () => index([image()]),
  };

  for (const [what, header] of Object.entries(headers)) {
    for (const [format, make] of Object.entries(formats)) {
      clause(`[P1] GET of ${format} with ${what}: as it is stored`, async (t) => {
        const repository = t.repository();
        const pushed = make();
        await repository.push(pushed, 'latest');
        for (const reference of ['latest', pushed.descriptor.digest]) {
          const answer = await repository.get(`manifests/${reference}`, header);
          expectContent(answer, pushed.bytes, pushed.descriptor.digest);
          expectHeader(answer, 'content-type', pushed.descriptor.mediaType);
        }
      });
    }
  }

  clause('[P1] a Docker image (schema 2) is pushed and comes back as it is', async (t) => {
    const repository = t.repository();
    const pushed = dockerImage();
    await repository.push(pushed, 'docker');
    for (const header of [{ accept: types.dockerManifest }, { accept: '*/*' }]) {
      const answer = await repository.get('manifests/docker', header);
      expectContent(answer, pushed.bytes, pushed.descriptor.digest);
      expectHeader(answer, 'content-type', types.dockerManifest);
    }
  });

  clause('[P1] a Docker manifest list is pushed and comes back as it is to a client that names its type', async (t) => {
    const repository = t.repository();
    const pushed = dockerList([dockerImage(), dockerImage()]);
    await repository.push(pushed, 'docker');
    for (const reference of ['docker', pushed.descriptor.digest]) {
      const answer = await repository.get(`manifests/${reference}`, {
        accept: [types.dockerManifest, types.dockerList],
      });
      expectContent(answer, pushed.bytes, pushed.descriptor.digest);
      expectHeader(answer, 'content-type', types.dockerList);
    }
  });

  clause('[F2] an OCI index of Docker images, and the reverse', async (t) => {
    const repository = t.repository();
    const pushed = index([dockerImage(), image()]);
    await repository.push(pushed, 'mixed');
    expectContent(await repository.get('manifests/mixed'), pushed.bytes, pushed.descriptor.digest);
    const list = dockerList([image()]);
    await repository.push(list, 'reverse');
    const answer = await repository.get('manifests/reverse', { accept: types.dockerList });
    expectContent(answer, list.bytes, list.descriptor.digest);
  });

  clause('[X1] the parameter ns changes nothing, or is answered by OCI-Namespace', async (t) => {
    const repository = t.repository();
    const pushed = image();
    await repository.push(pushed, 'latest');
    for (const path of [`manifests/latest?ns=docker.io`, `blobs/${pushed.blobs[0]?.descriptor.digest}?ns=docker.io`]) {
      const answer = await repository.get(path, { accept: types.image });
      const bytes = path.startsWith('blobs') ? pushed.blobs[0]?.bytes : pushed.bytes;
      expectContent(answer, bytes ?? Buffer.alloc(0), answer.header('docker-content-digest') ?? '');
      if (answer.header('oci-namespace') !== undefined) expectHeader(answer, 'oci-namespace', 'docker.io');
    }
  });
};
