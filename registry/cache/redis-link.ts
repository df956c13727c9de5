/** Connections to Redis: a single server, the master that sentinels name, or a cluster. Each is made once and never repaired. */
import type { RedisConfig } from '../config/types.ts';
import { type RedisOptions, splitAddress } from './redis-options.ts';

/** What a command came to: the server's reply, or its refusal (`OOM …`, `NOPERM …`). A broken connection is a rejection. */
export type Reply = { readonly value: unknown } | { readonly refusal: string };

/** A standing connection. Several commands may be under way; they are sent without waiting for one another. */
export interface RedisLink {
  /** `key`: what the command is about, which decides where in a cluster it goes; `undefined`: anywhere. */
  send(key: string | undefined, command: readonly string[]): Promise<Reply>;
  /** Whether commands go on elsewhere when one connection breaks: a cluster's. */
  readonly hasSeveralNodes: boolean;
  destroy(): void;
}

/** Resolves with a connection that answered a PING. `lost` is called when it has broken, perhaps more than once. */
export type Dial = (lost: (reason: Error) => void, signal: AbortSignal) => Promise<RedisLink>;

type Redis = typeof import('redis');
type Client = ReturnType<Redis['createClient']>;

/** Which of the three follows from the configuration alone, as in Distribution. */
export function createDial(config: RedisConfig, options: RedisOptions): Dial {
  const { addrs, mastername } = config;
  if (mastername !== undefined) return dialSentinels(mastername, addrs, options);
  return addrs.length > 1 ? dialCluster(config, options) : dialServer(addrs[0] ?? '', options);
}

const dialServer =
  (address: string, options: RedisOptions): Dial =>
  async (lost, signal) => {
    const redis = await import('redis');
    return serverLink(redis, await connect(redis, options.server(splitAddress(address)), lost, signal));
  };

const dialSentinels =
  (master: string, addresses: readonly string[], options: RedisOptions): Dial =>
  async (lost, signal) => {
    const redis = await import('redis');
    const node = await askSentinels(redis, master, addresses, options, signal);
    const client = await connect(redis, options.server(node), lost, signal);
    const [role] = texts(await client.sendCommand(['ROLE']).catch(refused(redis)));
    // A user who may not ask is believed to be at the master; READONLY would tell otherwise.
    if (role !== undefined && role !== 'master') {
      client.destroy();
      throw new Error(`the sentinels name ${node.host}:${node.port} as master, and it is a ${role}`);
    }
    return serverLink(redis, client);
  };

/** The first sentinel that knows counts, as the sentinel protocol has it. */
async function askSentinels(
  redis: Redis,
  master: string,
  addresses: readonly string[],
  options: RedisOptions,
  signal: AbortSignal,
): Promise<{ readonly host: string; readonly port: number }> {
  const reasons: string[] = [];
  for (const address of addresses) {
    try {
      const sentinel = await connect(redis, options.sentinel(splitAddress(address)), () => undefined, signal);
      const answer = await sentinel
        .sendCommand(['SENTINEL', 'get-master-addr-by-name', master])
        .finally(() => sentinel.destroy());
      const [host, port] = texts(answer);
      if (host !== undefined && port !== undefined) return { host, port: Number(port) };
      reasons.push(`${address} knows no master ${master}`);
    } catch (error) {
      signal.throwIfAborted();
      reasons.push(`${address}: ${(error as Error).message}`);
    }
  }
  throw new Error(`no sentinel names the master: ${reasons.join('; ')}`);
}

async function connect(
  redis: Redis,
  options: Parameters<Redis['createClient']>[0],
  lost: (reason: Error) => void,
  signal: AbortSignal,
): Promise<Client> {
  const client = redis.createClient(options);
  client.on('error', lost);
  const abandon = (): void => client.destroy();
  signal.addEventListener('abort', abandon, { once: true });
  try {
    signal.throwIfAborted();
    await client.connect();
    signal.throwIfAborted();
    return client as Client;
  } catch (error) {
    client.destroy();
    throw signal.aborted ? signal.reason : error;
  } finally {
    signal.removeEventListener('abort', abandon);
  }
}

const serverLink = (redis: Redis, client: Client): RedisLink => ({
  send: async (_key, command) => reply(redis, client.sendCommand([...command])),
  hasSeveralNodes: false,
  destroy: () => client.destroy(),
});

const dialCluster =
  (config: RedisConfig, options: RedisOptions): Dial =>
  async (_lost, signal) => {
    const redis = await import('redis');
    const cluster = redis.createCluster({
      rootNodes: config.addrs.map((address) => options.server(splitAddress(address))),
      defaults: options.clusterNode,
      RESP: 2,
      commandOptions: { timeout: 0 },
      // A node that is down must not keep the others from being used.
      minimizeConnections: true,
      maxCommandRedirections: config.maxredirects,
      useReplicas: config.readonly || config.routebylatency || config.routerandomly,
    });
    // Nodes come and go by themselves; what becomes of a command is told by its own reply.
    cluster.on('error', () => undefined);
    cluster.on('node-error', () => undefined);
    const abandon = (): void => cluster.destroy();
    signal.addEventListener('abort', abandon, { once: true });
    try {
      await cluster.connect();
      // Now, with all the time that connecting may take, and not while a client waits.
      const connected = await Promise.allSettled(cluster.masters.map(async (node) => cluster.nodeClient(node)));
      signal.throwIfAborted();
      const failure = connected.find((result) => result.status === 'rejected');
      if (failure !== undefined && connected.every(({ status }) => status === 'rejected')) throw failure.reason;
    } catch (error) {
      cluster.destroy();
      throw signal.aborted ? signal.reason : error;
    } finally {
      signal.removeEventListener('abort', abandon);
    }
    return {
      send: async (key, command) => reply(redis, cluster.sendCommand(key, reads.has(command[0] ?? ''), [...command])),
      hasSeveralNodes: true,
      destroy: () => cluster.destroy(),
    };
  };

/** Commands that a replica may answer. */
const reads: ReadonlySet<string> = new Set(['HMGET', 'PING']);

async function reply(redis: Redis, sent: Promise<unknown>): Promise<Reply> {
  try {
    return { value: await sent };
  } catch (error) {
    if (error instanceof redis.ErrorReply) return { refusal: error.message };
    throw error;
  }
}

/** The texts at the head of a list; nothing, if it is none. */
const texts = (answer: unknown): readonly string[] => (Array.isArray(answer) ? answer.map(String) : []);

const refused =
  (redis: Redis) =>
  (error: unknown): undefined => {
    if (!(error instanceof redis.ErrorReply)) throw error;
  };
