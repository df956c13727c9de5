/** `health`: what the registry looks at to call itself healthy. */
import { refine, type Spec } from './check.ts';
import { noEffectYet, section } from './section.ts';
import type { HealthConfig } from './types.ts';
import { bool, duration, int } from './values.ts';

const DEFAULT_INTERVAL = 10_000;
const REMEDY = 'take it out';

export const health: Spec<HealthConfig> = section(
  {
    storagedriver: refine(
      section(
        {
          enabled: bool({ default: false, doc: 'Looks at the storage again and again.' }),
          interval: duration({ default: DEFAULT_INTERVAL, doc: 'How long between two looks.' }),
          threshold: int({
            default: 1,
            doc: 'Failures in a row before the registry calls itself unhealthy; 0 means 1.',
          }),
        },
        { doc: 'The storage.' },
      ),
      ({ enabled, interval, threshold }) => ({
        enabled,
        interval: interval === 0 ? DEFAULT_INTERVAL : Math.max(1, interval),
        threshold: Math.max(1, threshold),
      }),
    ),
    file: noEffectYet({ doc: 'Unhealthy while a file exists.', env: 'FILECHECKERS', remedy: REMEDY }),
    http: noEffectYet({ doc: 'Asks a URL.', env: 'HTTPCHECKERS', remedy: REMEDY }),
    tcp: noEffectYet({ doc: 'Connects to an address.', env: 'TCPCHECKERS', remedy: REMEDY }),
  },
  { doc: 'What the registry looks at to call itself healthy.' },
);
