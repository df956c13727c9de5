import { isOperatorError, OperatorError } from '../error.ts';
import type { Client } from './client.ts';
import { type KubeObject, keyOf } from './object.ts';
import { type Change, createStore, type Store } from './store.ts';
import type { Transport } from './transport.ts';
import { type Selection, watch } from './watch.ts';

/** A copy of some of the API server's objects, kept up to date by list and watch for as long as it is not stopped. */
export interface Reflector<T extends KubeObject = KubeObject> {
  readonly store: Store<T>;
  start(): void;
  /** Whether the first list is in the store. */
  hasSynced(): boolean;
  /** Puts the answer to a write of our own into the store ahead of its event, so that the next look sees it. No change is told. */
  written(object: KubeObject): void;
  /** Final: resolves when nothing runs any more. */
  stop(): Promise<void>;
}

export interface ReflectorOptions<T extends KubeObject> {
  transport: Transport;
  client: Client;
  selection: Selection;
  /** What is kept of an object; drop what nobody reads. */
  transform: (object: KubeObject) => T;
  indexBy?: (object: T) => string | undefined;
  /** A change that came by list or watch. */
  onChange: (key: string, change: Change<T>) => void;
  /** The first list is in the store; told once. */
  onSynced: () => void;
  /** Each failure of a list or a watch, and once `undefined` when it works again. */
  onTrouble: (error: OperatorError | undefined) => void;
  sleep: (ms: number, signal: AbortSignal) => Promise<void>;
  /** In [0, 1). */
  random: () => number;
  /** Milliseconds, from any point in time. */
  now: () => number;
  tuning?: Partial<Tuning>;
}

export interface Tuning {
  pageSize: number;
  /** A watch is asked for between one and two times this. */
  watchSeconds: number;
  /** Silence after which a watch counts as dead. */
  idleMs: number;
  firstDelayMs: number;
  maxDelayMs: number;
}

const defaults: Tuning = { pageSize: 500, watchSeconds: 300, idleMs: 150_000, firstDelayMs: 500, maxDelayMs: 10_000 };
/** A watch without an event that ends sooner than this is no success. */
const shortWatchMs = 5000;

/**
 * Lists, then watches from there; goes on at the last version seen when a watch ends or breaks, lists again when that version is too old
 * (410). Any failure is retried for ever, with a growing delay or after the time that the server names.
 */
export function createReflector<T extends KubeObject>(options: ReflectorOptions<T>): Reflector<T> {
  const { transport, client, selection, transform, onChange, sleep, random, now } = options;
  const tuning = { ...defaults, ...options.tuning };
  const store = createStore<T>(options.indexBy);
  const stopped = new AbortController();
  const { signal } = stopped;
  let running: Promise<void> | undefined;
  let synced = false;
  let failures = 0;
  let troubled = false;
  /** Where the next watch starts; absent before the first list and after a 410. */
  let version: string | undefined;

  function tell(key: string, change: Change<T> | undefined): void {
    if (change !== undefined) onChange(key, change);
  }

  /** All pages of a list. A token that expires halfway (410) starts again, without pages. */
  async function list(): Promise<{ items: KubeObject[]; resourceVersion: string }> {
    for (let limit: number | undefined = tuning.pageSize; ; limit = undefined) {
      try {
        const items: KubeObject[] = [];
        let next: string | undefined;
        for (;;) {
          const query = { ...selection, ...(limit === undefined ? {} : { limit }), continue: next };
          const page = await client.list(selection.resource, selection.namespace, query, signal);
          for (const item of page.items) items.push(transform(item));
          if (page.continue === undefined) return { items, resourceVersion: page.resourceVersion };
          next = page.continue;
        }
      } catch (error) {
        if (limit === undefined || !isOperatorError(error, 'gone')) throw error;
      }
    }
  }

  async function relist(): Promise<void> {
    const { items, resourceVersion } = await list();
    const gone = new Set(store.keys());
    for (const item of items as T[]) {
      const key = keyOf(item);
      gone.delete(key);
      tell(key, store.put(item));
    }
    for (const key of gone) tell(key, store.remove(key, resourceVersion));
    store.reached(resourceVersion);
    version = resourceVersion;
    if (!synced) {
      synced = true;
      options.onSynced();
    }
  }

  /** Watches once. Returns whether the watch was of any use: what ends at once, again and again, has to be slowed down. */
  async function follow(resourceVersion: string): Promise<boolean> {
    const started = now();
    let events = 0;
    const timeoutSeconds = Math.ceil(tuning.watchSeconds * (1 + random()));
    const from = { resourceVersion, timeoutSeconds, idleMs: tuning.idleMs, signal, onOpen: () => trouble(undefined) };
    await watch(transport, selection, from, (event) => {
      events++;
      failures = 0;
      const seen = event.object.metadata.resourceVersion as string;
      if (event.type === 'DELETED') {
        const key = keyOf(event.object);
        tell(key, store.remove(key, seen));
      } else if (event.type !== 'BOOKMARK') {
        tell(keyOf(event.object), store.put(transform(event.object) as T));
      }
      store.reached(seen);
      version = seen;
    });
    return events > 0 || now() - started > shortWatchMs;
  }

  function trouble(error: OperatorError | undefined): void {
    if (error === undefined && !troubled) return;
    troubled = error !== undefined;
    options.onTrouble(error);
  }

  async function pause(error: OperatorError | undefined): Promise<void> {
    const delay = Math.min(tuning.maxDelayMs, tuning.firstDelayMs * 2 ** Math.min(failures, 16));
    failures++;
    await sleep(error?.retryAfterMs ?? delay * (0.5 + random() / 2), signal).catch(() => {});
  }

  async function turn(): Promise<void> {
    if (version === undefined) {
      await relist();
      trouble(undefined);
    }
    if (version === undefined || signal.aborted) return;
    if (await follow(version)) failures = 0;
    else await pause(undefined);
  }

  async function run(): Promise<void> {
    while (!signal.aborted) {
      try {
        await turn();
      } catch (error) {
        if (signal.aborted) return;
        const known = isOperatorError(error)
          ? error
          : new OperatorError('malformed', `${selection.resource.plural}: ${String(error)}`, { cause: error });
        if (known.code === 'gone') version = undefined;
        else trouble(known);
        await pause(known);
      }
    }
  }

  return {
    store,
    start() {
      running ??= run();
    },
    hasSynced: () => synced,
    written(object) {
      store.putWritten(transform(object) as T);
    },
    async stop() {
      stopped.abort();
      await running;
    },
  };
}
