/** `storage.maintenance`: the purge of old uploads, and read-only mode. */
import { below, fault, refine, type Spec, warn } from './check.ts';
import { section } from './section.ts';
import type { MaintenanceConfig } from './types.ts';
import { bool, duration, maybeText } from './values.ts';

const HOUR = 3_600_000;

const uploadpurging = refine(
  section(
    {
      enabled: bool({ default: true, doc: 'Deletes uploads that were begun long ago and never finished.' }),
      age: duration({ default: 168 * HOUR, doc: 'How old an upload must be.' }),
      interval: duration({ default: 24 * HOUR, doc: 'How long between two purges; the first is within an hour.' }),
      dryrun: bool({ default: false, doc: 'Only logs what would be deleted.' }),
    },
    { doc: 'The purge of old uploads.', untyped: true },
  ),
  (value, place) => {
    if (value.enabled && value.interval === 0) {
      fault(below(place, 'interval'), 'expected more than 0', 'write 24h, or enabled: false');
    }
    if (value.enabled && value.age === 0) {
      warn(below(place, 'age'), 'uploads that clients are busy with are deleted too', 'write 168h');
    }
    return value;
  },
);

const readonly = section(
  {
    enabled: bool({ default: false, doc: 'Refuses every write.' }),
    file: maybeText({
      example: '/run/registry/readonly',
      doc: "Writes are refused while this file exists. Berth's own.",
    }),
  },
  { doc: 'Read-only mode.', untyped: true },
);

export const maintenance: Spec<MaintenanceConfig> = section(
  { uploadpurging, readonly },
  { doc: 'Upkeep.', untyped: true },
);
