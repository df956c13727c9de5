import { isNewer, type KubeObject, keyOf } from './object.ts';

/** The objects that one reflector has seen, by key and by one index. What it hands out is shared: nobody may change it. */
export interface Store<T extends KubeObject> {
  readonly size: number;
  get(key: string): T | undefined;
  keys(): IterableIterator<string>;
  values(): IterableIterator<T>;
  /** The objects for which `indexBy` gave this value. */
  indexed(value: string): T[];
}

/** What a change was: the object before and after; `undefined` where there is none. */
export interface Change<T> {
  before: T | undefined;
  after: T | undefined;
}

/** A store that its reflector fills. Versions only move forward, whatever the order of arrival of events and of answers to our own writes. */
export interface WritableStore<T extends KubeObject> extends Store<T> {
  /** Takes an object from a list or a watch. `undefined` when this version, or a later one, is known. */
  put(object: T): Change<T> | undefined;
  /** Takes the answer to a write of our own, which may overtake the watch or come long after it. */
  putWritten(object: T): Change<T> | undefined;
  /** Takes a deletion that happened at `resourceVersion`. */
  remove(key: string, resourceVersion: string | undefined): Change<T> | undefined;
  /** Notes how far list and watch have come. */
  reached(resourceVersion: string): void;
}

/** @param indexBy the value under which `indexed` finds an object; `undefined` leaves it out */
export function createStore<T extends KubeObject>(indexBy?: (object: T) => string | undefined): WritableStore<T> {
  const objects = new Map<string, T>();
  const index = new Map<string, Set<string>>();
  let progress: string | undefined;

  function unindex(key: string, object: T): void {
    const value = indexBy?.(object);
    if (value === undefined) return;
    const keys = index.get(value);
    keys?.delete(key);
    if (keys?.size === 0) index.delete(value);
  }

  function set(key: string, object: T): Change<T> {
    const before = objects.get(key);
    if (before !== undefined) unindex(key, before);
    objects.set(key, object);
    const value = indexBy?.(object);
    if (value !== undefined) {
      const keys = index.get(value);
      if (keys === undefined) index.set(value, new Set([key]));
      else keys.add(key);
    }
    return { before, after: object };
  }

  function put(object: T): Change<T> | undefined {
    const key = keyOf(object);
    const known = objects.get(key);
    if (known !== undefined && !isNewer(object.metadata.resourceVersion, known.metadata.resourceVersion))
      return undefined;
    return set(key, object);
  }

  return {
    get size() {
      return objects.size;
    },
    get: (key) => objects.get(key),
    keys: () => objects.keys(),
    values: () => objects.values(),
    indexed: (value) => [...(index.get(value) ?? [])].flatMap((key) => objects.get(key) ?? []),
    put,
    putWritten(object) {
      // Absent although the watch is past this version: it has been deleted since.
      if (!objects.has(keyOf(object)) && !isNewer(object.metadata.resourceVersion, progress)) return undefined;
      return put(object);
    },
    remove(key, resourceVersion) {
      const before = objects.get(key);
      if (before === undefined || isNewer(before.metadata.resourceVersion, resourceVersion)) return undefined;
      unindex(key, before);
      objects.delete(key);
      return { before, after: undefined };
    },
    reached(resourceVersion) {
      if (isNewer(resourceVersion, progress)) progress = resourceVersion;
    },
  };
}
