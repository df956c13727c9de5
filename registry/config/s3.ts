/** `storage.s3`: a bucket of Amazon S3 or of a server that speaks it. */
import { below, fault, optional, type Place, refine, type Spec, warn } from './check.ts';
import { endpointUrl } from './endpoint.ts';
import { section } from './section.ts';
import type { S3Config } from './types.ts';
import { count, flag, maybeText, oneOf, text } from './values.ts';

const MIB = 1024 * 1024;
/** What S3 takes as one part of a multipart upload, but for the last. */
const PART = { min: 5 * MIB, max: 5 * 1024 * MIB };

const STORAGE_CLASSES = [
  ...(['NONE', 'STANDARD', 'REDUCED_REDUNDANCY', 'STANDARD_IA', 'ONEZONE_IA'] as const),
  ...(['INTELLIGENT_TIERING', 'OUTPOSTS', 'GLACIER_IR', 'EXPRESS_ONEZONE'] as const),
] as const;

const ACLS = [
  ...(['private', 'public-read', 'public-read-write', 'authenticated-read'] as const),
  ...(['aws-exec-read', 'bucket-owner-read', 'bucket-owner-full-control'] as const),
] as const;

const LOG_LEVELS = [
  ...(['off', 'debug', 'debugwithsigning', 'debugwithhttpbody', 'debugwithrequestretries'] as const),
  ...(['debugwithrequesterrors', 'debugwitheventstreambody'] as const),
] as const;

const loglevel = oneOf(LOG_LEVELS, { default: 'off', unknown: 'warning', doc: 'What the S3 client logs.' });

const keys = {
  accesskey: maybeText({
    example: 'the id of an access key',
    doc: 'With `secretkey`: fixed credentials. Without both: environment, profile, web identity, container or instance.',
  }),
  secretkey: maybeText({ example: 'the secret of that key', secret: true, doc: 'The secret of `accesskey`.' }),
  sessiontoken: maybeText({
    example: 'the token of temporary credentials',
    secret: true,
    doc: "The token of temporary credentials. Berth's own.",
  }),
  region: maybeText({ example: 'us-east-1', doc: 'The region. Required unless `regionendpoint` is set.' }),
  regionendpoint: maybeText({
    example: 'https://minio.example.com:9000',
    doc: 'The URL of a server other than Amazon; without a scheme, `secure` decides.',
  }),
  redirectendpoint: maybeText({
    example: 'https://s3.example.com',
    doc: 'Scheme and host of the URLs that clients are sent to, where they reach the server under another name.',
  }),
  forcepathstyle: {
    ...optional(flag({ default: false, doc: 'Writes the bucket into the path and not into the host name.' })),
    default: 'true with regionendpoint',
  },
  bucket: text({ default: '', example: 'my-bucket', doc: 'The bucket. Required; it must exist.' }),
  encrypt: flag({ default: false, doc: "Encrypts at the server's side." }),
  keyid: maybeText({ example: 'arn:aws:kms:…', doc: 'The KMS key for `encrypt`; without one, AES256.' }),
  secure: flag({ default: true, doc: 'HTTPS.' }),
  skipverify: flag({ default: false, doc: "Takes any certificate of the server's." }),
  v4auth: flag({
    default: true,
    doc: 'Signature version 4, the only one that is spoken; false is a fault with Amazon and a warning elsewhere.',
  }),
  chunksize: count({
    ...PART,
    default: 10 * MIB,
    doc: 'Bytes of a part of a multipart upload, 5 MiB to 5 GiB.',
  }),
  multipartcopychunksize: count({ ...PART, default: 32 * MIB, doc: 'Bytes of a part of a copy, 5 MiB to 5 GiB.' }),
  multipartcopymaxconcurrency: count({ min: 1, default: 100, doc: 'Parts of a copy that are under way at once.' }),
  multipartcopythresholdsize: count({
    min: 0,
    max: PART.max,
    default: 32 * MIB,
    doc: 'Bytes above which a copy is made in parts; at most 5 GiB.',
  }),
  rootdirectory: text({ default: '', example: 'registry', doc: 'A prefix of all keys.' }),
  storageclass: oneOf(STORAGE_CLASSES, {
    default: 'STANDARD',
    doc: 'The storage class; `NONE` leaves the header out, for servers that know none.',
  }),
  objectacl: oneOf(ACLS, { default: 'private', doc: 'The canned ACL of every object.' }),
  useragent: maybeText({ example: 'my-registry', doc: "What the client's `User-Agent` has at its end." }),
  usedualstack: flag({ default: false, doc: "Amazon's endpoints with IPv4 and IPv6." }),
  accelerate: flag({ default: false, doc: "Amazon's transfer acceleration." }),
  usefipsendpoint: flag({ default: false, doc: "Amazon's FIPS endpoints." }),
  loglevel: { ...loglevel, read: (place: Place) => (isOff(place) ? ('off' as const) : loglevel.read(place)) },
};

/** `off` without quotes is `false` in YAML 1.1, and `false` is how some write it. */
const isOff = ({ tree }: Place): boolean => tree?.kind === 'scalar' && tree.value === false;

const asWritten = section(keys, { doc: 'A bucket of Amazon S3, or of a server that speaks it.', untyped: true });

export const s3: Spec<S3Config> = refine(asWritten, (value, place) => {
  const at = (name: string): Place => below(place, name);
  checkCredentials(value, at);
  checkBucket(value, at('bucket'));
  const regionendpoint = endpointUrl(at('regionendpoint'), value.regionendpoint, value.secure);
  const redirectendpoint = endpointUrl(at('redirectendpoint'), value.redirectendpoint, value.secure);
  // One that cannot be read is reported, and is no wish for Amazon.
  const custom = value.regionendpoint !== undefined && value.regionendpoint !== '';
  if (custom === (regionendpoint !== undefined)) checkAmazon(value, regionendpoint, at);
  if (value.keyid !== undefined && !value.encrypt) {
    warn(at('keyid'), 'has no effect without encrypt', 'write encrypt: true, or take it out');
  }
  return {
    ...value,
    type: 's3',
    region: checkRegion(value.region, custom, at('region')),
    regionendpoint,
    redirectendpoint,
    forcepathstyle: value.forcepathstyle ?? custom,
    rootdirectory: value.rootdirectory.replace(/^\/+|\/+$/g, ''),
    storageclass: value.storageclass === 'NONE' ? undefined : value.storageclass,
    usedualstack: value.usedualstack && !custom,
    usefipsendpoint: value.usefipsendpoint && !custom,
  };
});

type Written = ReturnType<typeof asWritten.read>;
type At = (name: string) => Place;

function checkCredentials({ accesskey, secretkey, sessiontoken }: Written, at: At): void {
  if (accesskey !== undefined && secretkey === undefined) {
    fault(at('secretkey'), 'missing, though accesskey is set', 'write both or neither');
  }
  if (secretkey !== undefined && accesskey === undefined) {
    fault(at('accesskey'), 'missing, though secretkey is set', 'write both or neither');
  }
  if (sessiontoken !== undefined && accesskey === undefined && secretkey === undefined) {
    fault(at('sessiontoken'), 'belongs to accesskey and secretkey', 'write all three, or take it out');
  }
}

/** Amazon's rules for names; buckets from before 2018 in its first region, and those of other servers, may have others. */
function checkBucket({ bucket, region, regionendpoint }: Written, place: Place): void {
  if (bucket === '') {
    fault(place, 'missing', "write the bucket's name");
    return;
  }
  if (bucket.startsWith('arn:')) return;
  if (/[/\s]/.test(bucket)) {
    const name = /^(?:s3:\/\/)?([a-z0-9.-]+)/.exec(bucket)?.[1];
    fault(place, 'expected the name of a bucket', name === undefined ? 'write my-bucket' : `write ${name}`);
    return;
  }
  if (regionendpoint !== undefined && regionendpoint !== '') return;
  const allowed = region === 'us-east-1' ? /^[A-Za-z0-9._-]{3,255}$/ : /^(?=.{3,63}$)[a-z0-9]+(?:[.-]+[a-z0-9]+)*$/;
  if (!allowed.test(bucket) || bucket.includes('..')) {
    fault(
      place,
      'no name that a bucket of Amazon can have',
      'write 3 to 63 of a-z, 0-9, dots and hyphens, as the bucket is called',
    );
  }
}

/** A server of one's own has no regions, but its client signs with one. */
function checkRegion(region: string | undefined, custom: boolean, place: Place): string {
  if (region === undefined) {
    if (!custom) fault(place, 'missing', "write the bucket's region, such as us-east-1, or a regionendpoint");
    return 'us-east-1';
  }
  if (!custom && !/^[a-z]{2,}(-[a-z]+)+-\d{1,2}$/.test(region)) {
    fault(place, 'no region of Amazon', 'write one such as us-east-1, or a regionendpoint');
  }
  return region;
}

/** What holds for Amazon alone, and what for others alone. */
function checkAmazon(value: Written, endpoint: string | undefined, at: At): void {
  const isAmazon = endpoint === undefined || /\.amazonaws\.com(\.cn)?$/.test(new URL(endpoint).hostname);
  if (!value.v4auth && isAmazon) {
    fault(at('v4auth'), 'Amazon takes signature version 4 alone', 'take it out');
  } else if (!value.v4auth) {
    warn(at('v4auth'), 'signature version 2 is not spoken, so requests are signed with version 4', 'take it out');
  }
  if (value.accelerate && endpoint !== undefined) {
    fault(at('accelerate'), 'has its own endpoint, beside regionendpoint', 'take one of the two out');
  }
  if (value.accelerate && value.forcepathstyle === true) {
    fault(at('accelerate'), 'does not work with forcepathstyle', 'take one of the two out');
  }
  if (value.accelerate && value.usefipsendpoint) {
    fault(at('accelerate'), 'does not work with usefipsendpoint', 'take one of the two out');
  }
  for (const name of ['usedualstack', 'usefipsendpoint'] as const) {
    if (value[name] && endpoint !== undefined) {
      warn(at(name), 'has no effect with regionendpoint', 'take one of the two out');
    }
  }
}
