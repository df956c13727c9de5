/** Names of objects in a bucket: the store's paths below a fixed beginning. */

export interface ObjectKeys {
  /** Of an object. */
  key(path: string): string;
  /** What the keys of everything below a directory begin with; empty for the root of a whole bucket. */
  below(path: string): string;
  /** The path of a key that begins with `below('/')`. */
  path(key: string): string;
}

/** `base` comes before every key: empty, or what `rootdirectory` says, with a slash at its end. */
export function createObjectKeys(base: string): ObjectKeys {
  return {
    key: (path) => base + path.slice(1),
    below: (path) => (path === '/' ? base : `${base}${path.slice(1)}/`),
    path: (key) => `/${key.slice(base.length)}`,
  };
}

/** The beginning that a `rootdirectory` stands for. */
export function baseOf(rootdirectory: string): string {
  const root = rootdirectory.replace(/^\/+|\/+$/g, '');
  return root === '' ? '' : `${root}/`;
}
