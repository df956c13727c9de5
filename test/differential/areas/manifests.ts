/**
 * Manifests: which is given to whom, what is taken, what is refused, and what goes when one is deleted. One table of
 * requests, longer than other files: split up, its gaps could not be seen.
 */
import { digestOf, types } from '../../support/push-client.ts';
import {
  config,
  configType,
  digestOfJson,
  digests,
  docker,
  dockerConfigType,
  dockerLayerType,
  encoded,
  image,
  imageOf,
  index,
  layer,
  layerType,
  list,
  untypedImage,
} from '../content.ts';
import { type Area, type Exchange, exchange, one, step, withSetup } from '../exchange.ts';

const accept = (...values: readonly string[]) => ({
  headers: { Accept: values.length === 1 ? (values[0] ?? '') : values },
});
const all = Object.values(types).join(', ');
const schema1 = 'application/vnd.docker.distribution.manifest.v1+prettyjws';

const accepts: readonly (readonly [string, Record<string, string | readonly string[]>])[] = [
  ['no Accept', {}],
  ['Accept */*', { Accept: '*/*' }],
  ['Accept application/*', { Accept: 'application/*' }],
  ['Accept everything known', { Accept: all }],
  ['Accept everything known, a line each', { Accept: Object.values(types) }],
  ['Accept schema 2', { Accept: types.dockerManifest }],
  ['Accept lists', { Accept: types.dockerList }],
  ['Accept OCI images', { Accept: types.manifest }],
  ['Accept OCI indexes', { Accept: types.index }],
  ['Accept schema 1', { Accept: schema1 }],
  ['Accept application/json', { Accept: 'application/json' }],
  ['Accept with weights', { Accept: `${types.manifest};q=0.5, ${types.index};q=0.1` }],
];

const reading: readonly Exchange[] = [
  ...['oci', 'untyped', 'docker', 'index', 'list', 'list-arm'].flatMap((tag) =>
    accepts.map(([what, headers]) => one(`GET /v2/app/manifests/${tag}`, { headers }, what)),
  ),
  ...[digests.image, digests.docker, digests.index, digests.list].flatMap((digest) => [
    one(`GET /v2/app/manifests/${digest}`, {}, 'no Accept'),
    one(`GET /v2/app/manifests/${digest}`, accept(all), 'everything'),
    one(`HEAD /v2/app/manifests/${digest}`, accept(all), 'everything'),
  ]),
  one('HEAD /v2/app/manifests/docker', accept(all)),
  one('HEAD /v2/app/manifests/list'),
  one('HEAD /v2/app/manifests/unknown'),
  one(
    'GET /v2/app/manifests/docker',
    { headers: { Accept: 'APPLICATION/vnd.docker.distribution.manifest.v2+json' } },
    'type in capitals',
  ),
];

const conditional: readonly Exchange[] = (
  [
    ['quoted', `"${digests.docker}"`],
    ['bare', digests.docker],
    ['weak', `W/"${digests.docker}"`],
    ['in a list', `"other", "${digests.docker}"`],
    ['anything', '*'],
    ['another', `"${digests.image}"`],
  ] as const
).flatMap(([what, value]) => [
  one('GET /v2/app/manifests/docker', { headers: { 'If-None-Match': value, Accept: all } }, `If-None-Match ${what}`),
]);

const missing: readonly Exchange[] = [
  one('GET /v2/app/manifests/unknown', accept(all)),
  one('GET /v2/unknown/manifests/v1', accept(all)),
  one(`GET /v2/app/manifests/${digests.nowhere}`, accept(all)),
  one(`GET /v2/app/manifests/${digests.layer}`, accept(all), 'a blob'),
  one('GET /v2/untagged/manifests/gone', accept(all)),
  one(`GET /v2/deleted/manifests/${digests.image}`, accept(all)),
  one('GET /v2/deleted/manifests/v1', accept(all)),
  one(
    `GET /v2/app/manifests/${digests.nowhere}`,
    { headers: { 'If-None-Match': `"${digests.nowhere}"` } },
    'If-None-Match of it',
  ),
  one('GET /v2/app/manifests/.dot'),
  one('GET /v2/app/manifests/-dash'),
  one(`GET /v2/app/manifests/${'t'.repeat(128)}`, {}, '128 characters'),
  one(`GET /v2/app/manifests/${'t'.repeat(129)}`, {}, '129 characters'),
  one('GET /v2/app/manifests/sha256:abc'),
  one(`GET /v2/app/manifests/sha256:${'A'.repeat(64)}`),
  one(`GET /v2/app/manifests/sha256:${'a'.repeat(63)}`, {}, '63 digits'),
  one(`GET /v2/app/manifests/md5:${'a'.repeat(32)}`),
  one(`GET /v2/app/manifests/sha512:${'a'.repeat(128)}`),
  one(`GET /v2/app/manifests/sha384:${'a'.repeat(96)}`),
  ...['empty', 'garbage', 'dangling', 'not-json'].map((tag) => one(`GET /v2/broken/manifests/${tag}`, accept(all))),
  one(`GET /v2/broken/manifests/${digests.nowhere}`, accept(all)),
  one(`GET /v2/broken/manifests/${digests.layer}`, accept(all)),
];

const put = (reference: string, type: string | undefined, body: Buffer | string) =>
  step(`PUT /v2/targets/manifests/${reference}`, { headers: type === undefined ? {} : { 'Content-Type': type }, body });
const refused = (what: string, type: string | undefined, body: Buffer | string): Exchange =>
  exchange(`PUT ${what}`, put('refused', type, body));
const changed = (change: object, base: object = image): Buffer => encoded({ ...base, ...change });
const part = (mediaType: string, bytes: Buffer, more: object = {}) => ({
  ...{ mediaType, digest: digestOf(bytes), size: bytes.length },
  ...more,
});
const absentPart = (mediaType: string, more: object = {}) => ({
  mediaType,
  digest: digests.nowhere,
  size: 24,
  ...more,
});

const foreign = 'application/vnd.docker.image.rootfs.foreign.diff.tar.gzip';
const nondistributable = 'application/vnd.oci.image.layer.nondistributable.v1.tar+gzip';

const pushing: readonly Exchange[] = [
  exchange(
    'PUT an OCI image',
    put('one', types.manifest, encoded(imageOf('one'))),
    step('GET /v2/targets/manifests/one', accept(all)),
  ),
  exchange(
    'PUT the same again',
    put('two', types.manifest, encoded(imageOf('two'))),
    put('two', types.manifest, encoded(imageOf('two'))),
  ),
  exchange('PUT by digest', put(digestOfJson(imageOf('three')), types.manifest, encoded(imageOf('three')))),
  exchange('PUT schema 2', put('docker', types.dockerManifest, encoded(docker))),
  exchange('PUT without mediaType', put('untyped', types.manifest, encoded(untypedImage))),
  exchange(
    'PUT with parameters',
    put('parameters', `${types.manifest}; charset=utf-8`, encoded(imageOf('parameters'))),
  ),
  exchange('PUT type in capitals', put('capitals', types.manifest.toUpperCase(), encoded(imageOf('capitals')))),
  exchange(
    'PUT with a subject that is here',
    put('subject', types.manifest, changed({ subject: part(types.manifest, encoded(image)) })),
  ),
  exchange(
    'PUT with a subject that is nowhere',
    put('orphan', types.manifest, changed({ subject: absentPart(types.manifest) })),
  ),
  exchange(
    'PUT an empty index',
    put('empty-index', types.index, encoded({ schemaVersion: 2, mediaType: types.index, manifests: [] })),
  ),
  exchange(
    'PUT an index whose child is here',
    put('small-index', types.index, encoded({ ...index, manifests: [part(types.manifest, encoded(image))] })),
  ),
  exchange(
    'PUT a nested index',
    put('inner', types.index, encoded({ schemaVersion: 2, mediaType: types.index, manifests: [] })),
    put(
      'outer',
      types.index,
      encoded({
        ...index,
        manifests: [part(types.index, encoded({ schemaVersion: 2, mediaType: types.index, manifests: [] }))],
      }),
    ),
  ),
  exchange(
    'PUT a layer of an unknown type',
    put('odd-layer', types.manifest, changed({ layers: [part('application/x-odd', layer)] })),
  ),
  exchange('PUT with no layers', put('no-layers', types.manifest, changed({ layers: [] }))),
  exchange(
    'PUT with pretty spaces and a newline',
    put('pretty', types.manifest, `${JSON.stringify(imageOf('pretty'), undefined, 2)}\n`),
  ),
  exchange(
    'PUT in chunks',
    step('PUT /v2/targets/manifests/chunked', {
      headers: { 'Content-Type': types.manifest },
      body: encoded(imageOf('chunked')),
      chunked: true,
    }),
  ),
  exchange('PUT by a wrong digest', put(digests.nowhere, types.manifest, encoded(image))),
  exchange(
    'PUT by SHA-512',
    put(digestOf(encoded(imageOf('sha512')), 'sha512'), types.manifest, encoded(imageOf('sha512'))),
  ),
  exchange('PUT by an unknown algorithm', put(`md5:${'a'.repeat(32)}`, types.manifest, encoded(image))),
  exchange('PUT by a malformed digest', put('sha256:abc', types.manifest, encoded(image))),
  exchange('PUT to a malformed tag', put('-dash', types.manifest, encoded(image))),
  exchange(
    'PUT to a repository without blobs',
    step('PUT /v2/fresh/manifests/v1', { headers: { 'Content-Type': types.manifest }, body: encoded(image) }),
  ),
  refused('without a Content-Type', undefined, encoded(image)),
  refused('as application/json', 'application/json', encoded(image)),
  refused('as application/octet-stream', 'application/octet-stream', encoded(image)),
  refused('as schema 1', schema1, encoded(image)),
  refused('as text/html', 'text/html', encoded(image)),
  refused('an OCI image as schema 2', types.dockerManifest, encoded(image)),
  refused('schema 2 as an OCI image', types.manifest, encoded(docker)),
  refused('an OCI image as an index', types.index, encoded(image)),
  refused('an index as an OCI image', types.manifest, encoded(index)),
  refused('a list as an index', types.index, encoded(list)),
  refused('nothing', types.manifest, ''),
  refused('no JSON', types.manifest, 'this is no JSON'),
  refused('half', types.manifest, encoded(image).subarray(0, 100)),
  refused('a list of JSON', types.manifest, '[]'),
  refused('null', types.manifest, 'null'),
  refused('an empty object', types.manifest, '{}'),
  refused('two documents', types.manifest, `${encoded(image)}${encoded(image)}`),
  refused('schemaVersion 1', types.manifest, changed({ schemaVersion: 1 })),
  refused('schemaVersion 1 as schema 2', types.dockerManifest, changed({ schemaVersion: 1 }, docker)),
  refused('schemaVersion as text', types.manifest, changed({ schemaVersion: '2' })),
  refused('no schemaVersion', types.manifest, changed({ schemaVersion: undefined })),
  refused('no schemaVersion as schema 2', types.dockerManifest, changed({ schemaVersion: undefined }, docker)),
  refused('schema 2 without mediaType', types.dockerManifest, changed({ mediaType: undefined }, docker)),
  refused('no config', types.manifest, changed({ config: undefined })),
  refused('layers as text', types.manifest, changed({ layers: 'none' })),
  refused('an image with manifests', types.manifest, changed({ manifests: [] })),
  refused('an index with layers', types.index, changed({ layers: [] }, index)),
  refused('an index with a config', types.index, changed({ config: part(configType, config) }, index)),
  refused('a config that is not here', types.manifest, changed({ config: absentPart(configType) })),
  refused('a layer that is not here', types.manifest, changed({ layers: [absentPart(layerType)] })),
  refused(
    'two layers that are not here',
    types.manifest,
    changed({
      config: absentPart(configType),
      layers: [absentPart(layerType), part(layerType, Buffer.from('nowhere either'))],
    }),
  ),
  refused(
    'a layer that is in another repository only',
    types.manifest,
    changed({ layers: [part(layerType, Buffer.alloc(300_000, layer))] }),
  ),
  refused(
    'a layer with a malformed digest',
    types.manifest,
    changed({ layers: [{ mediaType: layerType, digest: 'sha256:abc', size: 1 }] }),
  ),
  refused(
    'a layer with an unknown algorithm',
    types.manifest,
    changed({ layers: [{ mediaType: layerType, digest: `md5:${'a'.repeat(32)}`, size: 1 }] }),
  ),
  refused('a layer with a negative size', types.manifest, changed({ layers: [part(layerType, layer, { size: -1 })] })),
  refused('a layer with a wrong size', types.manifest, changed({ layers: [part(layerType, layer, { size: 7 })] })),
  refused('a layer without a digest', types.manifest, changed({ layers: [{ mediaType: layerType, size: 1 }] })),
  refused('an index whose child is not here', types.index, changed({ manifests: [absentPart(types.manifest)] }, index)),
  refused(
    'a list whose child is not here',
    types.dockerList,
    changed({ manifests: [absentPart(types.dockerManifest)] }, list),
  ),
  refused(
    'an index whose child is a blob here',
    types.index,
    changed({ manifests: [part(types.manifest, layer)] }, index),
  ),
  refused('a foreign layer without URLs', types.dockerManifest, changed({ layers: [absentPart(foreign)] }, docker)),
  refused(
    'a foreign layer with a URL',
    types.dockerManifest,
    changed({ layers: [absentPart(foreign, { urls: ['https://example.com/layer'] })] }, docker),
  ),
  refused(
    'a non-distributable layer with a URL',
    types.manifest,
    changed({ layers: [absentPart(nondistributable, { urls: ['https://example.com/layer'] })] }),
  ),
  refused(
    'a non-distributable layer without URLs',
    types.manifest,
    changed({ layers: [absentPart(nondistributable)] }),
  ),
  refused(
    'an ordinary layer that is here with a URL',
    types.manifest,
    changed({ layers: [part(layerType, layer, { urls: ['https://example.com/layer'] })] }),
  ),
  refused(
    'a layer with a URL of another scheme',
    types.manifest,
    changed({ layers: [absentPart(nondistributable, { urls: ['file:///etc/passwd'] })] }),
  ),
  refused('more than 4 MiB', types.manifest, Buffer.concat([encoded(image), Buffer.alloc(4 * 1024 * 1024, ' ')])),
  refused('a name that is malformed', types.manifest, encoded(image)),
  ...withSetup(
    'no-validation',
    refused(
      'an index whose child is not here',
      types.index,
      changed({ manifests: [absentPart(types.manifest)] }, index),
    ),
    refused('a layer that is not here', types.manifest, changed({ layers: [absentPart(layerType)] })),
    refused(
      'a non-distributable layer with a URL',
      types.manifest,
      changed({ layers: [absentPart(nondistributable, { urls: ['https://example.com/layer'] })] }),
    ),
    refused(
      'a foreign layer with a URL',
      types.dockerManifest,
      changed({ layers: [absentPart(foreign, { urls: ['https://example.com/layer'] })] }, docker),
    ),
  ),
];

const dockerPart = part(dockerLayerType, layer);
const doomed = (note: string) => ({
  ...docker,
  config: { ...part(dockerConfigType, config), note },
  layers: [dockerPart],
});
const deleting: readonly Exchange[] = [
  exchange(
    'DELETE by tag keeps the manifest',
    put('doomed-tag', types.dockerManifest, encoded(doomed('tag'))),
    step('DELETE /v2/targets/manifests/doomed-tag'),
    step('GET /v2/targets/manifests/doomed-tag'),
    step(`GET /v2/targets/manifests/${digestOfJson(doomed('tag'))}`),
    step('DELETE /v2/targets/manifests/doomed-tag'),
  ),
  exchange(
    'DELETE by digest takes its tags',
    put('doomed-1', types.dockerManifest, encoded(doomed('digest'))),
    put('doomed-2', types.dockerManifest, encoded(doomed('digest'))),
    step(`DELETE /v2/targets/manifests/${digestOfJson(doomed('digest'))}`),
    step(`GET /v2/targets/manifests/${digestOfJson(doomed('digest'))}`),
    step('GET /v2/targets/manifests/doomed-1'),
    step('GET /v2/targets/manifests/doomed-2'),
    step(`DELETE /v2/targets/manifests/${digestOfJson(doomed('digest'))}`),
  ),
  one('DELETE /v2/targets/manifests/unknown'),
  one('DELETE /v2/unknown/manifests/v1'),
  one(`DELETE /v2/targets/manifests/${digests.nowhere}`),
  one('DELETE /v2/targets/manifests/sha256:abc'),
  one(`DELETE /v2/targets/manifests/md5:${'a'.repeat(32)}`),
];

export const manifestsRead: Area = { name: 'manifests, reading', exchanges: [...reading, ...conditional, ...missing] };
export const manifestsPush: Area = { name: 'manifests, pushing', exchanges: pushing };
export const manifestsDelete: Area = { name: 'manifests, deleting', exchanges: deleting };
