/** `validation` and `policy` beside Distribution 3.1: under the same configuration both admit the same manifests. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { createPushClient, digestOf, imageManifest, type PushClient, types } from '../support/push-client.ts';
import { type Json, temporaryFolder } from '../support/registry-process.ts';
import { missing, tools } from '../support/tools.ts';
import { type Programs, type Server, startOn } from '../support/tree-peer.ts';

const skip = await missing('distribution', 'docker-registry');
const programs = (await tools('distribution', 'docker-registry')) as Programs;

const name = 'checked/here';
const absent = { digest: `sha256:${'0'.repeat(64)}`, size: 1 };
const config = Buffer.from('{}');
const layer = Buffer.from('layer');
const [here, there] = [config, layer].map((bytes) => ({ digest: digestOf(bytes), size: bytes.length }));
const descriptor = here ?? absent;
const layerType = 'application/vnd.oci.image.layer.v1.tar+gzip';
const nondistributable = 'application/vnd.oci.image.layer.nondistributable.v1.tar+gzip';
const foreign = 'application/vnd.docker.image.rootfs.foreign.diff.tar.gzip';

const docker = (layers: readonly object[], type = 'application/vnd.docker.container.image.v1+json'): object => ({
  schemaVersion: 2,
  mediaType: types.dockerManifest,
  config: { mediaType: type, ...descriptor },
  layers,
});
const oci = (layers: readonly object[], type = 'application/vnd.oci.image.config.v1+json'): object => ({
  ...imageManifest(descriptor, []),
  config: { mediaType: type, ...descriptor },
  layers,
});
const urlsOf = (mediaType: string, urls: readonly string[], of = absent): object => ({ mediaType, ...of, urls });
const child = (os?: string, architecture?: string): object => ({
  mediaType: types.manifest,
  ...absent,
  ...(os === undefined ? {} : { platform: { os, architecture } }),
});
const index = (...manifests: object[]): object => ({ schemaVersion: 2, mediaType: types.index, manifests });
const list = (...manifests: object[]): object => ({ schemaVersion: 2, mediaType: types.dockerList, manifests });

interface Case {
  readonly what: string;
  readonly config: Json;
  readonly manifests: readonly object[];
}

const urls = (...texts: string[]): readonly object[] =>
  texts.flatMap((url) => [oci([urlsOf(nondistributable, [url])]), docker([urlsOf(foreign, [url])])]);

const cases: readonly Case[] = [
  {
    what: 'URLs of an allow and a deny list',
    config: {
      validation: {
        manifests: { urls: { allow: ['(?i)^HTTPS://good\\.', '\\Ahttp://x\\z', '[[:digit:]]$'], deny: ['secret'] } },
      },
    },
    manifests: [
      ...urls(
        'https://good.example/a',
        'https://GOOD.example/a',
        'http://x',
        'http://x/y',
        'https://z/7',
        'https://z/a',
      ),
      ...urls('https://good.example/secret', 'https://good.example/a#b', 'ftp://good.example/1', '/1', '1'),
      oci([urlsOf(nondistributable, ['https://good.example/a', 'https://bad.example/a'])]),
      oci([urlsOf(layerType, ['https://good.example/a'])]),
      oci([urlsOf(layerType, ['https://good.example/a'], there)]),
      oci([urlsOf(layerType, ['https://bad.example/a'], there)]),
      oci([urlsOf(nondistributable, [])]),
      docker([urlsOf(foreign, [])]),
      docker([urlsOf(foreign, [], there)]),
    ],
  },
  {
    what: 'URLs of a deny list alone',
    config: { validation: { manifests: { urls: { deny: ['^http:'] } } } },
    manifests: urls('https://any.example/', 'http://any.example/', 'HTTPS://any.example/'),
  },
  {
    what: 'children of listed platforms',
    config: {
      validation: {
        manifests: { indexes: { platforms: 'LIST', platformlist: [{ os: 'linux', architecture: 'amd64' }] } },
      },
    },
    manifests: [
      index(child('linux', 'amd64')),
      index(child('linux', 'arm64')),
      index(child('Linux', 'AMD64')),
      list(child('linux', 'amd64')),
      list(child('windows', 'amd64')),
      index(child('linux', 'arm64'), child('linux', 'amd64')),
    ],
  },
  {
    what: 'an empty list of platforms',
    config: { validation: { manifests: { indexes: { platforms: 'list', platformlist: [] } } } },
    manifests: [index(child('linux', 'amd64')), index(child('linux', 'arm64')), index(child())],
  },
  {
    what: 'no platforms',
    config: { validation: { manifests: { indexes: { platforms: 'None' } } } },
    manifests: [index(child('linux', 'amd64')), index(child()), oci([{ mediaType: layerType, ...absent }])],
  },
  {
    what: 'no validation',
    config: { validation: { disabled: true, manifests: { urls: { deny: ['.'] } } } },
    manifests: [
      index(child('linux', 'amd64')),
      ...urls('https://any.example/'),
      oci([{ mediaType: layerType, ...absent }]),
    ],
  },
  ...[['image'], ['plugin'], ['image', 'plugin'], ['other']].map((classes) => ({
    what: `classes ${classes.join(' and ')}`,
    config: { policy: { repository: { classes } } },
    manifests: [
      docker([]),
      docker([], 'application/vnd.docker.plugin.v1+json'),
      docker([], 'application/octet-stream'),
      oci([]),
      oci([], 'application/vnd.cncf.helm.config.v1+json'),
      index(),
    ],
  })),
];

/** Of each manifest whether it was admitted, and the first code if it was denied. */
async function verdicts(client: PushClient, manifests: readonly object[]): Promise<readonly string[]> {
  for (const bytes of [config, layer]) await client.pushBlob(name, bytes);
  const found: string[] = [];
  for (const manifest of manifests) {
    const reply = await client.send('PUT', `/v2/${name}/manifests/tag`, {
      headers: { 'content-type': (manifest as { mediaType: string }).mediaType },
      body: Buffer.from(JSON.stringify(manifest)),
    });
    const denied = reply.status === 403 ? ` ${JSON.parse(reply.body.toString()).errors[0].message}` : '';
    found.push(reply.status === 201 ? 'admitted' : `refused${denied}`);
  }
  return found;
}

describe('validation beside Distribution 3.1', { skip }, () => {
  for (const { what, config: over, manifests } of cases) {
    test(what, async (t) => {
      const folder = await temporaryFolder(t);
      const ask = async (server: Server): Promise<readonly string[]> => {
        const { url } = await startOn(t, server, join(folder, server), programs, over);
        const client = createPushClient(url);
        t.after(() => client.close());
        return verdicts(client, manifests);
      };
      const [ours, theirs] = await Promise.all([ask('berth'), ask('distribution')]);
      const beside = (answers: readonly string[]) =>
        answers.map((answer, at) => `${answer}: ${JSON.stringify(manifests[at])}`);
      assert.deepEqual(beside(ours), beside(theirs));
    });
  }
});
