/** `health`: what the registry looks at to call itself healthy. */
import { isHostPort } from './address.ts';
import { below, fault, type Place, refine, type Spec } from './check.ts';
import { checkHeaders, headers } from './headers.ts';
import { section } from './section.ts';
import type { FileCheckConfig, HealthConfig, HttpCheckConfig, TcpCheckConfig } from './types.ts';
import { bool, duration, int, list, text } from './values.ts';

const DEFAULT_INTERVAL = 10_000;

/** 0 means the default. */
const interval = refine(duration({ default: DEFAULT_INTERVAL, doc: 'How long between two looks.' }), (value) =>
  value === 0 ? DEFAULT_INTERVAL : Math.max(1, value),
);

const threshold = refine(
  int({ default: 1, doc: 'Failures in a row before the registry calls itself unhealthy; 0 means 1.' }),
  (value) => Math.max(1, value),
);

const timeout = {
  ...refine(duration({ default: 0, doc: 'How long a look may take.' }), (value) => (value === 0 ? undefined : value)),
  default: '',
};

const file: Spec<FileCheckConfig> = refine(
  section(
    { file: text({ default: '', example: '/run/registry/down', doc: 'The file.' }), interval, threshold },
    { doc: 'Unhealthy while a file exists.' },
  ),
  (value, place) => {
    if (value.file === '') fault(below(place, 'file'), 'missing', 'write the path of a file');
    return value;
  },
);

const http: Spec<HttpCheckConfig> = refine(
  section(
    {
      uri: text({ default: '', example: 'http://auth.example.com/health', doc: 'The URL that is asked, by HEAD.' }),
      statuscode: int({ default: 200, min: 0, max: 599, doc: 'The status that is healthy; 0 means 200.' }),
      timeout,
      interval,
      threshold,
      headers: headers('Sent with the request.'),
    },
    { doc: 'Asks a URL.' },
  ),
  (value, place) => {
    const uri = below(place, 'uri');
    if (value.uri === '') fault(uri, 'missing', 'write http://host:port/path');
    else if (!/^https?:\/\/[^/]/i.test(value.uri) || !URL.canParse(value.uri)) {
      fault(uri, 'expected a URL with http:// or https:// and a host', 'write http://host:port/path');
    }
    if (value.statuscode > 0 && value.statuscode < 100) {
      fault(below(place, 'statuscode'), `expected 100 to 599, got ${value.statuscode}`, 'write 200');
    }
    checkHeaders(value.headers, below(place, 'headers'));
    return { ...value, statuscode: value.statuscode || 200 };
  },
);

const tcp: Spec<TcpCheckConfig> = refine(
  section(
    {
      addr: text({ default: '', example: '"redis:6379"', doc: '`host:port`.' }),
      timeout,
      interval,
      threshold,
    },
    { doc: 'Connects to an address.' },
  ),
  (value, place) => {
    const addr = below(place, 'addr');
    if (value.addr === '') fault(addr, 'missing', 'write "host:port"');
    else if (!isHostPort(value.addr)) fault(addr, 'expected host:port', 'write "host:port"');
    return value;
  },
);

export const health: Spec<HealthConfig> = refine(
  section(
    {
      storagedriver: section(
        { enabled: bool({ default: false, doc: 'Looks at the storage again and again.' }), interval, threshold },
        { doc: 'The storage.' },
      ),
      file: {
        ...list(file, { doc: 'Unhealthy while one of these files exists.', example: '[{file: /run/registry/down}]' }),
        env: 'FILECHECKERS',
      },
      http: {
        ...list(http, { doc: 'Asks URLs.', example: '[{uri: "http://auth.example.com/health"}]' }),
        env: 'HTTPCHECKERS',
      },
      tcp: { ...list(tcp, { doc: 'Connects to addresses.', example: '[{addr: "redis:6379"}]' }), env: 'TCPCHECKERS' },
    },
    { doc: 'What the registry looks at to call itself healthy.' },
  ),
  (value, place) => {
    checkNames(value, place);
    return value;
  },
);

/** A check goes by its path, URL or address in `/debug/health`, so each can be there once. */
function checkNames(value: HealthConfig, place: Place): void {
  const seen = new Set<string>();
  const take = (kind: 'file' | 'http' | 'tcp', names: readonly string[]): void => {
    for (const [index, name] of names.entries()) {
      if (name === '') continue;
      if (seen.has(name)) {
        fault(below(place, kind, String(index)), 'the same check is there twice', 'take one out');
      }
      seen.add(name);
    }
  };
  take(
    'file',
    value.file.map((check) => check.file),
  );
  take(
    'http',
    value.http.map((check) => check.uri),
  );
  take(
    'tcp',
    value.tcp.map((check) => check.addr),
  );
}
