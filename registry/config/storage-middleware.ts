/** What `middleware.storage` may name: `redirect`, `rewrite` and `cloudfront`. They decide where clients are sent for bytes. */
import { below, fault, type Keys, type Place, refine, type Spec, warn } from './check.ts';
import { endpointUrl } from './endpoint.ts';
import { section } from './section.ts';
import type { CloudFrontConfig, StorageMiddleware } from './types.ts';
import { duration, maybeText, oneOf, text } from './values.ts';

const MINUTE = 60_000;
const AMAZON_RANGES = 'https://ip-ranges.amazonaws.com/ip-ranges.json';

const baseurl = maybeText({
  example: 'https://cdn.example.com/',
  doc: '`redirect`, `cloudfront`: the URL that clients are sent to, before the path. Required.',
});

const redirect: Spec<StorageMiddleware> = refine(
  section({ baseurl }, { doc: 'Sends clients to another host.', untyped: true }),
  (value, place) => ({ name: 'redirect', baseurl: required(value.baseurl, below(place, 'baseurl')) }),
);

const rewriteKeys = {
  scheme: maybeText({ example: 'https', doc: '`rewrite`: the scheme that replaces the one of the backend.' }),
  host: maybeText({ example: 'cdn.example.com', doc: '`rewrite`: the host that replaces the one of the backend.' }),
  trimpathprefix: maybeText({ example: '/bucket', doc: "`rewrite`: what is cut off the path's beginning." }),
};

const rewrite: Spec<StorageMiddleware> = refine(
  section(rewriteKeys, { doc: "Changes the backend's URLs.", untyped: true }),
  (value, place) => {
    if (value.scheme !== undefined && !/^https?$/.test(value.scheme)) {
      fault(below(place, 'scheme'), 'expected http or https', 'write https');
    }
    if (value.host !== undefined && !/^[^\s/?#@]+$/.test(value.host)) {
      fault(below(place, 'host'), 'expected a host, with a port if need be', 'write cdn.example.com');
    }
    if (Object.values(value).every((option) => option === undefined)) {
      warn(place, 'nothing is rewritten', 'write scheme, host or trimpathprefix');
    }
    return { name: 'rewrite', ...value };
  },
);

const cloudfrontKeys = {
  baseurl,
  privatekey: maybeText({
    example: '/etc/registry/cloudfront.pem',
    doc: '`cloudfront`: the file of the key that signs URLs, PEM. Required.',
  }),
  keypairid: maybeText({ example: 'APKA…', doc: "`cloudfront`: the key's id. Required." }),
  duration: duration({ default: 20 * MINUTE, doc: '`cloudfront`: how long a signed URL is good for.' }),
  ipfilteredby: oneOf(['none', 'aws', 'awsregion'], {
    default: 'none',
    doc: "`cloudfront`: who is sent to S3 instead: nobody, Amazon's addresses, or those of `awsregion`.",
  }),
  awsregion: text({ default: '', example: 'us-east-1,us-east-2', doc: '`cloudfront`: regions, joined by commas.' }),
  updatefrequency: duration({ default: 720 * MINUTE, doc: '`cloudfront`: how often the addresses are read anew.' }),
  iprangesurl: text({ default: AMAZON_RANGES, example: AMAZON_RANGES, doc: '`cloudfront`: where addresses are read.' }),
};

const older = { updatefrenquency: 'updatefrequency' };

const cloudfront: Spec<CloudFrontConfig> = refine(
  section(cloudfrontKeys, { doc: 'Signed URLs of CloudFront, for S3.', untyped: true, older }),
  (value, place) => {
    const at = (name: string): Place => below(place, name);
    for (const name of ['privatekey', 'keypairid'] as const) {
      if (value[name] === undefined) fault(at(name), 'missing', `write ${name}`);
    }
    for (const name of ['duration', 'updatefrequency'] as const) {
      if (value[name] === 0) fault(at(name), 'expected more than 0', 'take it out for the default');
    }
    const awsregion = value.awsregion
      .split(',')
      .map((region) => region.trim().toLowerCase())
      .filter((region) => region !== '');
    if (value.ipfilteredby === 'awsregion' && awsregion.length === 0) {
      fault(at('awsregion'), 'missing, though ipfilteredby is awsregion', 'write us-east-1,us-east-2');
    }
    if (value.ipfilteredby !== 'awsregion' && awsregion.length > 0) {
      warn(at('awsregion'), `has no effect with ipfilteredby: ${value.ipfilteredby}`, 'write ipfilteredby: awsregion');
    }
    const ranges = value.iprangesurl === '' ? AMAZON_RANGES : value.iprangesurl;
    return {
      ...value,
      name: 'cloudfront',
      baseurl: required(value.baseurl, at('baseurl')),
      privatekey: value.privatekey ?? '',
      keypairid: value.keypairid ?? '',
      awsregion,
      iprangesurl: endpointUrl(at('iprangesurl'), ranges, true, 'path') ?? AMAZON_RANGES,
    };
  },
);

export const storageMiddleware = { redirect, rewrite, cloudfront } satisfies Record<string, Spec<StorageMiddleware>>;

/** Every option of every one, for names of variables and for the documentation. */
export const storageOptions: Keys = {
  ...rewriteKeys,
  ...(cloudfront.shape.kind === 'map' ? cloudfront.shape.keys : {}),
};

function required(written: string | undefined, place: Place): string {
  if (written === undefined) fault(place, 'missing', 'write https://cdn.example.com/');
  return endpointUrl(place, written, true, 'path') ?? '';
}
