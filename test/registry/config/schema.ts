/** Every key that the reader knows, for tests that must not miss one. */
import type { Keys, Shape, Spec } from '../../../registry/config/check.ts';
import { rootKeys } from '../../../registry/config/read.ts';

export interface Key {
  /** `health.http[].uri`; the levels of lists end in `[]`. */
  readonly path: string;
  /** `REGISTRY_HEALTH_HTTPCHECKERS_N_URI`. */
  readonly variable: string;
  readonly spec: Spec<unknown>;
  /** What becomes of it while it is not built, and what to do about it. */
  readonly unbuilt: { readonly severity: 'warning' | 'fault'; readonly remedy: string } | undefined;
}

/** The keys that hold a value themselves, in the order of the reader. Other names of a whole section are one key. */
export function everyKey(): readonly Key[] {
  return below(rootKeys, '', 'REGISTRY', undefined);
}

function below(keys: Keys, path: string, variable: string, unbuilt: Key['unbuilt']): readonly Key[] {
  return Object.entries(keys).flatMap(([name, spec]) => {
    const key: Key = {
      path: path === '' ? name : `${path}.${name}`,
      variable: `${variable}_${spec.env ?? name.toUpperCase()}`,
      spec,
      unbuilt: unbuilt ?? unbuiltOf(spec),
    };
    const inner = spec.secret === true || spec.olderNameOf !== undefined ? undefined : innerKeys(spec.shape);
    if (inner === undefined || Object.keys(inner.keys).length === 0) return [key];
    return below(inner.keys, key.path + inner.path, key.variable + inner.variable, key.unbuilt);
  });
}

function unbuiltOf(spec: Spec<unknown>): Key['unbuilt'] {
  if (spec.unbuilt === undefined) return undefined;
  return { severity: spec.unbuilt, remedy: (spec as { remedy?: string }).remedy ?? '' };
}

function innerKeys(
  shape: Shape,
): { readonly keys: Keys; readonly path: string; readonly variable: string } | undefined {
  if (shape.kind === 'section' || shape.kind === 'map') return { keys: shape.keys, path: '', variable: '' };
  if (shape.kind !== 'list') return undefined;
  const inner = innerKeys(shape.of);
  return inner && { keys: inner.keys, path: '[]', variable: '_N' };
}
