/** `storage.gcs`: a bucket of Google Cloud Storage. */
import { below, fault, got, refine, type Spec, warn } from './check.ts';
import { endpointUrl } from './endpoint.ts';
import { section, withoutEffect } from './section.ts';
import { isAbsent, plain } from './tree.ts';
import type { GcsConfig } from './types.ts';
import { anything, count, maybeText, text } from './values.ts';

const CHUNK = 256 * 1024;
const DEFAULT_CHUNKS = 64;
const MIN_CONCURRENCY = 25;

/** Names in a key file; listed so that `REGISTRY_STORAGE_GCS_CREDENTIALS_PRIVATE_KEY` finds its way. */
const KEY_FILE = [
  ...['type', 'project_id', 'private_key_id', 'private_key', 'client_email', 'client_id', 'auth_uri', 'token_uri'],
  ...['auth_provider_x509_cert_url', 'client_x509_cert_url', 'universe_domain'],
];

const credentials: Spec<Readonly<Record<string, unknown>> | undefined> = {
  type: 'map',
  default: '',
  doc: "A service account's key file, inline.",
  secret: true,
  shape: {
    kind: 'map',
    keys: Object.fromEntries(KEY_FILE.map((name) => [name, anything({ doc: '' })])),
    of: { kind: 'any' },
    bare: false,
  },
  read(place) {
    const { tree } = place;
    if (tree === undefined || isAbsent(tree)) return undefined;
    if (tree.kind === 'mapping') {
      const value = plain(tree) as Readonly<Record<string, unknown>>;
      return Object.keys(value).length === 0 ? undefined : value;
    }
    const what = tree.kind === 'scalar' ? 'got a text' : got(tree);
    fault(place, `expected the keys of a key file, ${what}`, 'write them below it, or name the file in keyfile');
    return undefined;
  },
};

const keys = {
  bucket: text({ default: '', example: 'my-bucket', doc: 'The bucket. Required; it must exist.' }),
  keyfile: maybeText({
    example: '/etc/registry/key.json',
    doc: "A service account's key file. Without it and `credentials`: the application's default credentials.",
  }),
  credentials,
  rootdirectory: text({ default: '', example: 'registry', doc: 'A prefix of all names.' }),
  chunksize: count({
    default: DEFAULT_CHUNKS * CHUNK,
    min: CHUNK,
    doc: 'Bytes that are sent at once; a multiple of 256 KiB.',
  }),
  maxconcurrency: count({
    default: 50,
    min: 0,
    doc: `How many calls may be under way at once; at least ${MIN_CONCURRENCY} are always allowed.`,
  }),
  useragent: withoutEffect(
    maybeText({ example: 'my-registry', doc: "What the client's `User-Agent` has at its end." }),
    'take it out',
  ),
  endpoint: maybeText({
    example: 'http://127.0.0.1:4443',
    doc: "The address of the service, for emulators and private endpoints. Berth's own.",
  }),
};

const asWritten = section(keys, { doc: 'A bucket of Google Cloud Storage.', untyped: true });

export const gcs: Spec<GcsConfig> = refine(asWritten, (value, place) => {
  if (value.bucket === '') fault(below(place, 'bucket'), 'missing', "write the bucket's name");
  if (value.keyfile !== undefined && value.credentials !== undefined) {
    fault(below(place, 'credentials'), 'expected either keyfile or credentials, got both', 'take one of the two out');
  }
  if (value.chunksize % CHUNK !== 0) {
    const near = Math.max(1, Math.round(value.chunksize / CHUNK)) * CHUNK;
    fault(below(place, 'chunksize'), `expected a multiple of ${CHUNK}, got ${value.chunksize}`, `write ${near}`);
  }
  if (value.maxconcurrency > 0 && value.maxconcurrency < MIN_CONCURRENCY) {
    warn(below(place, 'maxconcurrency'), `${MIN_CONCURRENCY} is the least`, `write ${MIN_CONCURRENCY}`);
  }
  return {
    ...value,
    type: 'gcs',
    rootdirectory: value.rootdirectory.replace(/^\/+|\/+$/g, ''),
    maxconcurrency: Math.max(MIN_CONCURRENCY, value.maxconcurrency),
    endpoint: endpointUrl(below(place, 'endpoint'), value.endpoint, true, 'path'),
  };
});
