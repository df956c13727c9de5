/** Sections that this version knows and does not act on; leaving them out harms nobody but who misses them. */
import { noEffectYet, section } from './section.ts';

const REMEDY = 'take it out';

export const notifications = section(
  {
    events: noEffectYet({ doc: 'What events hold.', env: 'EVENTCONFIG', remedy: REMEDY }),
    endpoints: noEffectYet({ doc: 'Where events go.', remedy: 'take it out: no events are sent' }),
  },
  { doc: 'Events.' },
);

export const redis = noEffectYet({ doc: 'Redis.', remedy: REMEDY });

export const reporting = noEffectYet({ doc: 'Error reporting services.', remedy: REMEDY });

export const compatibility = section(
  {
    schema1: section(
      {
        enabled: noEffectYet({
          doc: 'Admits pushes of schema 1.',
          remedy: 'take it out: pushes of schema 1 are refused',
        }),
        signingkeyfile: noEffectYet({ doc: 'Key that signs schema 1.', env: 'TRUSTKEY', remedy: REMEDY }),
      },
      { doc: 'Docker schema 1.' },
    ),
  },
  { doc: 'Older formats.' },
);
