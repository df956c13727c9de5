import type { Condition, RegistryStatus } from '../api/types.ts';
import type { Notice } from '../kube/events.ts';
import type { Farewell } from './claims.ts';

/** Events for people: what a step of the reconciler is worth saying. Reasons are a closed list. */

/** That a child had been edited by hand and is as rendered again. */
export function corrected(child: string, fields: readonly string[]): Notice {
  const shown = fields.slice(0, 8).join(', ');
  const more = fields.length > 8 ? ` and ${fields.length - 8} more` : '';
  return {
    type: 'Normal',
    reason: 'DriftCorrected',
    action: 'Apply',
    note: `${child} had been changed at ${shown}${more}; restored`,
  };
}

export function pruned(children: readonly string[]): Notice {
  return {
    type: 'Normal',
    reason: 'Pruned',
    action: 'Delete',
    note: `no longer part of the registry: ${children.join(', ')}`,
  };
}

/** What became of the data of a Registry that is going. */
export function farewell({ deleted, kept }: Farewell): Notice[] {
  const notices: Notice[] = [];
  if (deleted.length > 0) {
    const note = `spec.deletionPolicy is Delete: the claim ${deleted.join(', ')} and all images in it are deleted`;
    notices.push({ type: 'Warning', reason: 'ClaimDeleted', action: 'Delete', note });
  }
  if (kept.length > 0) {
    notices.push({
      type: 'Normal',
      reason: 'ClaimKept',
      action: 'Release',
      note: `the claim ${kept.join(', ')} stays, with all images in it`,
    });
  }
  return notices;
}

/** What changed in the summary of a Registry. The ordinary steps of a rollout are not worth an Event. */
export function transitions(before: RegistryStatus | undefined, after: RegistryStatus): Notice[] {
  const was = ready(before);
  const is = ready(after);
  if (is === undefined || (was?.status === is.status && was.reason === is.reason)) return [];
  const action = 'Reconcile';
  if (is.status === 'True') return [{ type: 'Normal', reason: is.reason, action, note: is.message }];
  if (quiet.has(is.reason)) return [];
  return [{ type: is.reason === 'Paused' ? 'Normal' : 'Warning', reason: is.reason, action, note: is.message }];
}

const quiet: ReadonlySet<string> = new Set([
  'Progressing',
  'PodsNotReady',
  'WaitingForDeletion',
  'ApplyFailed',
  'Unmanaged',
]);

function ready(status: RegistryStatus | undefined): Condition | undefined {
  return status?.conditions?.find(({ type }) => type === 'Ready');
}
