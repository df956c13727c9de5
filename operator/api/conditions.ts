import type { Condition } from './types.ts';

/** A condition as it is wanted; when it last changed follows from what was there before. */
export type WantedCondition = Pick<Condition, 'type' | 'status' | 'reason' | 'message'>;

/**
 * The conditions of a status: exactly those wanted, in their order. `lastTransitionTime` moves only when the status of that
 * condition changes (Kubernetes API conventions, "Typical status properties"), so that the same observation gives the same
 * bytes and no write.
 *
 * @param generation the `metadata.generation` that was looked at
 */
export function mergeConditions(
  previous: readonly Condition[] | undefined,
  wanted: readonly WantedCondition[],
  generation: number,
  now: Date,
): Condition[] {
  return wanted.map(({ type, status, reason, message }) => {
    const before = previous?.find((condition) => condition.type === type);
    const lastTransitionTime = before?.status === status ? before.lastTransitionTime : timestamp(now);
    return { type, status, observedGeneration: generation, lastTransitionTime, reason, message };
  });
}

/** A time as metav1.Time writes it: UTC, whole seconds. */
export function timestamp(time: Date): string {
  return `${time.toISOString().slice(0, 19)}Z`;
}
