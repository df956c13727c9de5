/** Tells an observer how long each storage action took, under the names that Distribution's metrics have. */
import type { Store, Upload } from './store.ts';

/** Labels of `registry_storage_action_seconds`; `Reader` and `Writer` are the openings of streams, as Distribution counts them. */
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

/** `error` is what the action failed with; absence is no failure. Called once for each action, when it is over. */
export type StorageObserver = (action: StorageAction, seconds: number, error?: unknown) => void;

/**
 * The same store, observed. Without an observer it is the store itself. Appending is not timed: its length is the
 * client's, not the store's. `now` is a clock in milliseconds that never goes back.
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

  const observed = (upload: Upload): Upload => ({
    path: upload.path,
    size: (options) => timed('Stat', upload.size(options)),
    append: (offset, source, options) => upload.append(offset, source, options),
    open: (range, options) => timed('Reader', upload.open(range, options)),
    commit: (target, size, options) => timed('Move', upload.commit(target, size, options)),
    ...(upload.release && { release: () => upload.release?.() }),
  });

  type Walk = NonNullable<Store['walk']>;
  const walked =
    (walk: Walk): Walk =>
    (path, options) =>
      timed('List', walk(path, options));

  return {
    name: store.name,
    stat: (path, options) => timed('Stat', store.stat(path, options)),
    read: (path, options) => timed('GetContent', store.read(path, options)),
    open: (path, range, options) => timed('Reader', store.open(path, range, options)),
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
