import { randomBytes } from 'node:crypto';
import { digestOf } from './http.ts';
import { artifact, content, emptyObject, image, imageConfig, index, layer, type Manifest, types } from './images.ts';

/** What the formats of the image specification allow a client to push, one set for each kind. */
export interface DataSet {
  readonly name: string;
  /** The roots, in the order of pushing; what is below a root is pushed before it. */
  readonly roots: readonly Root[];
  /** Digests whose referrers the set knows in full. */
  readonly subjects: readonly string[];
}

export interface Root {
  readonly manifest: Manifest;
  readonly tags: readonly string[];
  /** Pushed by digest with `?tag=` (clause M6), here and one tag for each child. */
  readonly tagParameters?: boolean;
}

const example = 'application/vnd.example';

function set(name: string, ...roots: readonly [Manifest, ...string[]][]): DataSet {
  const subjects = roots.flatMap(([root]) => [root, ...root.children]).flatMap(({ subject }) => subject ?? []);
  return {
    name,
    roots: roots.map(([manifest, ...tags]) => ({ manifest, tags })),
    subjects: [...new Set(subjects)],
  };
}

function pair(algorithm = 'sha256', extra: Record<string, unknown> = {}): Manifest[] {
  return ['amd64', 'arm64'].map((architecture) => image({ algorithm, architecture, extra }));
}

/** A fresh copy of every set; random, so that no two runs share content, `{}` and the empty index apart. */
export function dataSets(): DataSet[] {
  return [...imageSets(), ...artifactSets(), ...unusualSets(), ...sha512Sets()];
}

function imageSets(): DataSet[] {
  const annotations = Object.fromEntries(
    Array.from({ length: 390 }, (_, at) => [`com.example.annotation.${at}`, randomBytes(5000).toString('hex')]),
  );
  const tar = [layer(512, 'sha256', types.tarLayer), layer(1024, 'sha256', types.tarLayer)];
  return [
    set('image', [image(), 'image']),
    set('image-uncompressed', [image({ layers: tar }), 'image-uncompressed']),
    set('large-manifest', [image({ annotations }), 'large-manifest']),
    set('index', [index(pair()), 'index']),
    set('nested-index', [index([index(pair()), index(pair())], { platforms: false }), 'index-of-index']),
    set('empty-index', [index([]), 'index']),
  ];
}

function artifactSets(): DataSet[] {
  const bare = emptyObject();
  const imageSubject = image();
  const withSubject = (subject: Manifest, kind: string) => ({
    subject: subject.descriptor,
    artifactType: `${example}.${kind}`,
    annotations: { 'org.opencontainers.conformance': `test of ${kind}`, [`${example}.${kind}`]: 'yes' },
  });
  const indexSubject = index(pair());
  const referrers = ['sbom', 'signature'].map((kind) => artifact(withSubject(indexSubject, kind)));
  const absent = { mediaType: types.image, digest: digestOf(Buffer.from('nowhere')), size: 123 };
  return [
    set('artifact', [artifact({ artifactType: `${example}.artifact` }), 'artifact']),
    set('artifact-index', [
      index([artifact(), artifact()], { artifactType: `${example}.index`, platforms: false }),
      'artifact-index',
    ]),
    set('artifact-without-layers', [artifact({ config: bare, layers: [bare] }), 'artifact-without-layers']),
    set(
      'artifacts-with-subject',
      [imageSubject, 'image'],
      [image({ subject: imageSubject.descriptor, annotations: { note: 'an image' } })],
      [artifact(withSubject(imageSubject, 'sbom')), 'tagged-artifact1'],
      [artifact(withSubject(imageSubject, 'signature')), 'tagged-artifact2'],
    ),
    set(
      'index-with-subject',
      [indexSubject, 'index'],
      [index(referrers, { ...withSubject(indexSubject, 'set'), platforms: false }), 'tagged-artifact'],
    ),
    set('missing-subject', [artifact({ subject: absent }), 'tagged-artifact']),
  ];
}

function unusualSets(): DataSet[] {
  const inline = [imageConfig(1), layer(64)].map((part) =>
    content(part.bytes, part.descriptor.mediaType, 'sha256', { data: part.bytes.toString('base64') }),
  );
  const foreign = [types.foreignGzipLayer, types.foreignTarLayer].map((type) =>
    content(randomBytes(128), type, 'sha256', { urls: ['https://layers.example.com/foreign'] }),
  );
  const unknown = () => ({ [`org.example.${randomBytes(4).toString('hex')}`]: randomBytes(8).toString('hex') });
  const config = imageConfig(1);
  const odd = content(
    Buffer.from(JSON.stringify({ ...JSON.parse(config.bytes.toString()), ...unknown() })),
    types.config,
  );
  const children = ['amd64', 'arm64'].map(() => image({ config: odd, extra: unknown() }));
  return [
    set('data-field', [image({ config: inline[0] ?? config, layers: inline.slice(1) }), 'data-field']),
    set('non-distributable-layers', [image({ absent: foreign, layers: [layer()] }), 'non-distributable-image']),
    set('custom-fields', [index(children, { extra: unknown() }), 'custom-fields']),
    set('no-layers', [image({ layers: [] }), 'no-layers']),
  ];
}

function sha512Sets(): DataSet[] {
  const tagged = (algorithm: string): DataSet => ({
    name: `tag-param-${algorithm}`,
    roots: [
      {
        manifest: index(pair(algorithm), { algorithm }),
        tags: [`tag-param-${algorithm}`, `tag-param-${algorithm}-2`],
        tagParameters: true,
      },
    ],
    subjects: [],
  });
  return [set('sha512', [index(pair('sha512'), { algorithm: 'sha512' })]), tagged('sha256'), tagged('sha512')];
}

/** Content with parts that are never pushed; only a registry that does not check references takes it. */
export function sparseSets(): DataSet[] {
  const [first = image(), second = image()] = pair();
  return [
    set('sparse-image', [image({ absent: [layer()] }), 'sparse-image']),
    set('sparse-index', [index([first], { absent: [second] }), 'sparse-index']),
  ];
}
