/**
 * `redis`, with the keys of Distribution 3.1, which are those of go-redis. Those of 2.x (`addr`, `pool`) and of the 3.0
 * releases (`tls.enabled`, `tls.clientcas`) are mapped on them, with a warning.
 */
import { availableParallelism } from 'node:os';
import { isHostPort } from './address.ts';
import { below, fault, optional, type Place, refine, type Spec, warn } from './check.ts';
import { saysSomething, section, withoutEffect } from './section.ts';
import { plain } from './tree.ts';
import type { RedisConfig, RedisTlsConfig } from './types.ts';
import { bool, duration, int, list, maybeText, text } from './values.ts';

const TUNING = 'take it out';
const CALLS = 'take it out: a call is given up after 50 ms, and never repeated';

/** 0 means the default, as go-redis has it; so does -1 (none there), because nothing here waits without end. */
const timeout = (about: { readonly default: number; readonly doc: string }): Spec<number> => {
  const strict = duration(about);
  return {
    ...strict,
    read(place) {
      if (isEndless(place)) {
        warn(place, 'the default is used, because nothing waits without end', 'write a duration such as 10s');
        return about.default;
      }
      return strict.read(place) || about.default;
    },
  };
};

/** 0 means the default, -1 none at all. */
const times = (about: { readonly default: number; readonly doc: string }): Spec<number> =>
  refine(int({ ...about, min: -1 }), (value) => (value === 0 ? about.default : Math.max(0, value)));

/** -1 and -2 stand for none; what has no effect needs no word about them. */
const endless = (spec: Spec<number>): Spec<number> => ({
  ...spec,
  read: (place) => (isEndless(place) ? 0 : spec.read(place)),
});

const isEndless = ({ tree }: Place): boolean => tree?.kind === 'scalar' && /^-[12]$/.test(tree.text);

const unused = {
  int: (doc: string) => withoutEffect(int({ default: 0, doc }), TUNING),
  bool: (doc: string) => withoutEffect(bool({ default: false, doc }), TUNING),
  duration: (doc: string, remedy = TUNING) =>
    withoutEffect({ ...endless(duration({ default: 1, doc })), default: '' } satisfies Spec<number>, remedy),
  text: (doc: string) => withoutEffect(text({ default: '', example: 'a text', doc }), TUNING),
};

const tls: Spec<RedisTlsConfig | undefined> = refine(
  section(
    {
      certificate: maybeText({ example: '/etc/registry/redis.crt', doc: 'Certificate that this client shows, PEM.' }),
      key: maybeText({ example: '/etc/registry/redis.key', doc: 'Its key, PEM.' }),
      rootcas: list(text({ default: '', example: '/etc/registry/ca.crt', doc: '' }), {
        doc: "Files of the authorities that sign the server's certificate. None: those of the system.",
        example: '[/etc/registry/ca.crt]',
      }),
      enabled: {
        ...optional(bool({ default: false, doc: 'TLS with the authorities of the system; key of the 3.0 previews.' })),
        default: '',
      },
    },
    { doc: 'TLS; any of these keys turns it on.', older: { clientcas: 'rootcas' } },
  ),
  ({ certificate, key, rootcas, enabled }, place) => {
    if (certificate !== undefined && key === undefined) {
      fault(below(place, 'key'), 'missing, though certificate is set', 'write both or neither');
    }
    if (key !== undefined && certificate === undefined) {
      fault(below(place, 'certificate'), 'missing, though key is set', 'write both or neither');
    }
    for (const [index, file] of rootcas.entries()) {
      if (file === '') fault(below(place, 'rootcas', String(index)), 'expected a file', TUNING);
    }
    const asked = certificate !== undefined || key !== undefined || rootcas.length > 0;
    if (enabled === true) {
      warn(
        below(place, 'enabled'),
        'a key of the previews of 3.0, honoured here',
        'write rootcas for Distribution 3.1',
      );
    }
    if (enabled === false && asked) {
      warn(below(place, 'enabled'), 'ignored: the other keys ask for TLS', 'take them out, or this');
    }
    return asked || enabled === true ? { certificate, key, rootcas } : undefined;
  },
);

const pool = section(
  {
    maxidle: int({ default: 0, min: 0, doc: 'Key of 2.x, without effect.' }),
    maxactive: { ...int({ default: 0, min: 0, doc: 'Key of 2.x.' }), olderNameOf: 'redis.poolsize' },
    idletimeout: duration({ default: 0, doc: 'Key of 2.x, without effect.' }),
  },
  { doc: 'Keys of 2.x.' },
);

const asWritten = section(
  {
    addrs: list(text({ default: '', example: 'redis:6379', doc: '' }), {
      doc: 'Addresses: one is a server, several are a cluster, and with `mastername` they are sentinels.',
      example: '["redis:6379"]',
    }),
    addr: { ...maybeText({ example: 'redis:6379', doc: 'Key of 2.x.' }), olderNameOf: 'addrs' },
    mastername: maybeText({ example: 'mymaster', doc: 'The master that the sentinels watch.' }),
    username: maybeText({ example: 'registry', doc: 'The user (ACL).' }),
    password: maybeText({ example: "the user's password", secret: true, doc: "The user's password." }),
    sentinelusername: maybeText({ example: 'registry', doc: 'The user at the sentinels.' }),
    sentinelpassword: maybeText({ example: 'its password', secret: true, doc: "That user's password." }),
    db: int({ default: 0, min: 0, doc: 'The database; a cluster has only 0.' }),
    clientname: maybeText({ example: 'registry', doc: 'The name of the connections.' }),
    maxretries: withoutEffect(int({ default: 0, min: -1, doc: 'How often a call is tried again.' }), CALLS),
    dialtimeout: timeout({ default: 5000, doc: 'How long connecting may take.' }),
    readtimeout: unused.duration('How long an answer may take.', CALLS),
    writetimeout: unused.duration('How long sending may take.', CALLS),
    poolsize: {
      ...int({
        default: 0,
        min: 0,
        doc: 'Calls under way at once, all over one connection to each server; fewer than 256 mean 256.',
      }),
      default: '256, or 10 per CPU if that is more',
    },
    pooltimeout: unused.duration('How long a call waits for a connection.', CALLS),
    maxredirects: times({ default: 3, doc: 'How often a cluster may send a call elsewhere; -1: never.' }),
    readonly: bool({ default: false, doc: 'Reads from replicas of a cluster.' }),
    routebylatency: bool({ default: false, doc: 'Reads from the nearest node of a cluster.' }),
    routerandomly: bool({ default: false, doc: 'Reads from any node of a cluster.' }),
    tls,
    pool,
    protocol: unused.int('Version of the protocol.'),
    minretrybackoff: unused.duration('Shortest wait before a retry.'),
    maxretrybackoff: unused.duration('Longest wait before a retry.'),
    contexttimeoutenabled: unused.bool('Deadlines of requests apply; they always do here.'),
    poolfifo: unused.bool('Order of the pool.'),
    minidleconns: unused.int('Fewest idle connections.'),
    maxidleconns: unused.int('Most idle connections.'),
    maxactiveconns: unused.int('Most connections.'),
    connmaxidletime: unused.duration('How long a connection may be idle.'),
    connmaxlifetime: unused.duration('How long a connection may live.'),
    disableidentity: unused.bool("Leaves out the client library's name."),
    identitysuffix: unused.text("Added to the client library's name."),
    unstableresp3: unused.bool('Protocol 3 of search modules.'),
  },
  { doc: 'The Redis that `storage.cache` may use.', inline: 'OPTIONS', older: { disableindentity: 'disableidentity' } },
);

type Written = ReturnType<typeof asWritten.read>;

export const redis: Spec<RedisConfig | undefined> = refine(asWritten, (value, place) => {
  const addrs = addresses(value, place);
  const { addr: _addr, pool: older, poolsize, ...rest } = value;
  if (older.maxidle > 0 || older.maxactive > 0 || older.idletimeout > 0) {
    warn(below(place, 'pool'), 'keys of 2.x: maxactive is poolsize now, the others have no effect', 'write poolsize');
  }
  if (addrs.length === 0) {
    const written = place.tree === undefined ? undefined : plain(place.tree);
    if (saysSomething(written)) warn(place, 'no address, so nothing is done with it', 'write addrs: ["redis:6379"]');
    return undefined;
  }
  if (addrs.length > 1 && value.mastername === undefined && value.db !== 0) {
    warn(below(place, 'db'), 'several addresses are a cluster, which has only database 0', 'take it out');
  }
  return { ...rest, addrs, poolsize: poolsize || older.maxactive || 10 * availableParallelism() };
});

/** `addrs`, or the one that 2.x knew. */
function addresses({ addrs, addr }: Written, place: Place): readonly string[] {
  const older = below(place, 'addr');
  if (addr !== undefined && addrs.length > 0) warn(older, 'ignored, since addrs is written too', 'take it out');
  else if (addr !== undefined) warn(older, 'a key of 2.x', 'write addrs: ["host:port"] for Distribution 3.x');
  const named = addrs.length > 0 || addr === undefined ? addrs : [addr];
  for (const [index, address] of named.entries()) {
    if (isHostPort(address)) continue;
    const at = addrs.length > 0 ? below(place, 'addrs', String(index)) : older;
    const host = /^[A-Za-z0-9.-]+$/.test(address) ? address : 'redis.example.com';
    fault(at, 'expected host:port', `write "${host}:6379"`);
  }
  return named;
}
