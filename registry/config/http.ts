/** `http`: where the registry listens, and how it speaks. */
import { checkAddress, checkHost, checkPrefix } from './address.ts';
import { below, fault, type Place, refine, type Spec, warn } from './check.ts';
import { checkHeaders, headers } from './headers.ts';
import { noEffectYet, section } from './section.ts';
import { tls } from './tls.ts';
import type { HttpConfig } from './types.ts';
import { bool, duration, oneOf, text } from './values.ts';

/** Paths of the debug port that metrics must not hide. */
const DEBUG_PATHS: readonly string[] = [
  '/debug/health',
  '/debug/vars',
  '/debug/pprof',
  '/debug/pprof/',
  '/livez',
  '/readyz',
];

/** What samples of earlier versions had in its place: everybody knows it. */
const SAMPLE_SECRET = 'replace this by a long random text';

const prometheus = section(
  {
    enabled: bool({ default: false, doc: 'Serves Prometheus metrics on the debug address.' }),
    path: text({ default: '/metrics', example: '/metrics', doc: 'Where.' }),
  },
  { doc: 'Metrics.' },
);

const keys = {
  addr: text({
    default: '',
    example: '"127.0.0.1:5000"',
    doc: '`host:port`, or the path of a socket when `http.net` is `unix`. Empty: a free port on all addresses.',
  }),
  net: oneOf(['tcp', 'unix'], { default: 'tcp', doc: 'The kind of address.' }),
  prefix: text({
    default: '',
    example: '/registry/',
    doc: 'A path that goes before `/v2/`, with a slash at both ends.',
  }),
  host: text({
    default: '',
    example: 'https://registry.example.com',
    doc: 'Fixed external base of generated URLs; beats forwarded headers and `http.relativeurls`.',
  }),
  relativeurls: bool({ default: false, doc: 'Generates URLs without scheme and host.' }),
  secret: text({
    default: '',
    example: 'a long random text',
    secret: true,
    doc: 'Key that signs the state of uploads; the same on every replica. Empty: made up at start.',
  }),
  headers: headers('Added to every answer.'),
  draintimeout: duration({
    default: 0,
    doc: 'How long running requests may take after SIGTERM. 0: none at all. A bare integer means nanoseconds.',
  }),
  debug: section(
    {
      addr: text({ default: '', example: '":5001"', doc: '`host:port` of health and metrics. Empty: none.' }),
      prometheus,
    },
    { doc: 'The debug server: `/debug/health`, `/livez`, `/readyz` and metrics, without authentication.' },
  ),
  tls,
  http2: noEffectYet(
    section({ disabled: bool({ default: false, doc: 'Speaks HTTP/1.1 only.' }) }, { doc: 'HTTP/2 over TLS.' }),
    { remedy: 'take it out: only HTTP/1.1 is spoken' },
  ),
  h2c: noEffectYet(
    section({ enabled: bool({ default: false, doc: 'Speaks HTTP/2 without TLS.' }) }, { doc: 'HTTP/2 without TLS.' }),
    { remedy: 'take it out: only HTTP/1.1 is spoken' },
  ),
};

const asWritten = section(keys, { doc: 'Where the registry listens, and how it speaks.' });

export const http: Spec<HttpConfig> = refine(asWritten, (value, place) => {
  const at = (...names: readonly string[]): Place => below(place, ...names);
  checkAddress(at('addr'), value.addr, value.net);
  if (value.net === 'unix' && value.addr === '') {
    fault(at('addr'), 'expected the path of a socket', 'write /run/registry.sock, or net: tcp');
  }
  if (value.secret.trim() === SAMPLE_SECRET) {
    warn(at('secret'), 'the text of a sample, which everybody knows', 'write what openssl rand -hex 32 prints');
  }
  checkHeaders(value.headers, at('headers'));
  checkAddress(at('debug', 'addr'), value.debug.addr, 'tcp');
  return {
    addr: value.addr,
    net: value.net,
    prefix: checkPrefix(at('prefix'), value.prefix),
    host: checkHost(at('host'), value.host),
    relativeurls: value.relativeurls,
    secret: value.secret === '' ? undefined : value.secret,
    headers: value.headers,
    draintimeout: value.draintimeout,
    debug: {
      addr: value.debug.addr === '' ? undefined : value.debug.addr,
      prometheus: {
        enabled: value.debug.prometheus.enabled,
        path: checkMetricsPath(at('debug', 'prometheus', 'path'), value.debug),
      },
    },
  };
});

function checkMetricsPath(
  place: Place,
  debug: { readonly addr: string; readonly prometheus: { readonly enabled: boolean; readonly path: string } },
): string {
  const path = debug.prometheus.path === '' ? '/metrics' : debug.prometheus.path;
  if (!/^\/[^\s?#]*$/.test(path)) {
    fault(place, 'expected a path that begins with a slash', 'write /metrics');
  } else if (DEBUG_PATHS.includes(path)) {
    fault(place, `${path} has a meaning of its own on the debug address`, 'write /metrics');
  }
  if (debug.prometheus.enabled && debug.addr === '') {
    warn(place, 'metrics are served on the debug address, and there is none', 'write http.debug.addr, such as ":5001"');
  }
  return path;
}
