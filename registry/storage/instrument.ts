/** Tells an observer how long each storage action took, under the names that Distribution's metrics have. */
import { type ObjectStream, type Store, StoreError, type StoreErrorCode, type Upload } from './store.ts';

/** Labels of `registry_storage_action_seconds`; `Reader` and `Writer` are the openings of streams, which Distribution leaves out. */
export type StorageAction =
  | 'GetContent'
  | 'PutContent'
  | 'Reader'
  | 'Writer'
  | 'Stat'
  | 'List'
  | 'Move'
  | 'Delete'
  | 'RedirectURL';

/**
 * `error` is what the action failed with; absence is no failure. Called once for each action, when it is over; and once more
 * for a stream that fails after it was opened, without seconds, since its length is the client's and not the store's.
 */
export type StorageObserver = (action: StorageAction, seconds: number | undefined, error?: unknown) => void;

/** The word for what an action failed with, from a closed set: a label of metrics. */
export function failureOf(error: unknown): StoreErrorCode | 'aborted' | 'timeout' {
  if (error instanceof StoreError) return error.code;
  const { name } = error as { readonly name?: unknown };
  return name === 'AbortError' ? 'aborted' : name === 'TimeoutError' ? 'timeout' : 'failed';
}

/**
 * The same store, observed. Without an observer it is the store itself. `now` is a clock in milliseconds that never goes
 * back.
 */
export function instrument(store: Store, observe: StorageObserver | undefined, now = () => performance.now()): Store {
  if (observe === undefined) return store;
  const told = observe;

  function timed<T>(action: StorageAction, work: Promise<T>): Promise<T> {
    const start = now();
    work.then(
      () => told(action, (now() - start) / 1000),
      (error: unknown) => told(action, (now() - start) / 1000, error),
    );
    return work;
  }

  /** A source that breaks off is its client's fault, and no error of a store. */
  const failing = (action: StorageAction, error: unknown): void => {
    if (error instanceof StoreError) told(action, undefined, error);
  };

  async function opened<T extends ObjectStream | undefined>(work: Promise<T>): Promise<T> {
    const stream = await timed('Reader', work);
    stream?.once('error', (error) => failing('Reader', error));
    return stream;
  }

  async function appended(work: Promise<number>): Promise<number> {
    return work.catch((error: unknown) => {
      failing('Writer', error);
      throw error;
    });
  }

  const observed = (upload: Upload): Upload => ({
    path: upload.path,
    size: (options) => timed('Stat', upload.size(options)),
    append: (offset, source, options) => appended(upload.append(offset, source, options)),
    open: (range, options) => opened(upload.open(range, options)),
    commit: (target, size, options) => timed('Move', upload.commit(target, size, options)),
    ...(upload.release && { release: async () => upload.release?.() }),
  });

  type Walk = NonNullable<Store['walk']>;
  const walked =
    (walk: Walk): Walk =>
    (path, options) =>
      timed('List', walk(path, options));

  return {
    name: store.name,
    ownSessions: store.ownSessions,
    stat: (path, options) => timed('Stat', store.stat(path, options)),
    read: (path, options) => timed('GetContent', store.read(path, options)),
    open: (path, range, options) => opened(store.open(path, range, options)),
    put: (path, content, options) => timed('PutContent', store.put(path, content, options)),
    putAll: (puts, options) => timed('PutContent', store.putAll(puts, options)),
    swap: (path, expected, content, options) => timed('PutContent', store.swap(path, expected, content, options)),
    list: (path, options) => timed('List', store.list(path, options)),
    ...(store.walk && { walk: walked(store.walk) }),
    move: (source, target, options) => timed('Move', store.move(source, target, options)),
    copy: (source, target, options) => timed('Move', store.copy(source, target, options)),
    delete: (path, options) => timed('Delete', store.delete(path, options)),
    redirectUrl: (path, method, options) => timed('RedirectURL', store.redirectUrl(path, method, options)),
    beginUpload: async (path, options) => observed(await timed('Writer', store.beginUpload(path, options))),
    resumeUpload: (path) => observed(store.resumeUpload(path)),
    close: () => store.close(),
  };
}
