/** `notifications`: events to other programs. Not built yet. */
import { headers } from './headers.ts';
import { at, noEffectYet, saysSomething, section } from './section.ts';
import { bool, duration, int, list, text } from './values.ts';

const name = (example: string) => text({ default: '', example, doc: '' });
const mediatypes = { doc: 'Media types that no event is sent for.', example: '[application/octet-stream]' };

const endpoint = section(
  {
    name: text({ default: '', example: 'alerts', doc: 'Its name in logs and metrics.' }),
    disabled: bool({ default: false, doc: 'Leaves it out.' }),
    url: text({ default: '', example: 'https://example.com/events', doc: 'Where events are posted.' }),
    headers: headers('Sent with each event.'),
    timeout: duration({ default: 1000, doc: 'How long an answer may take.' }),
    threshold: int({ default: 10, doc: 'Failures before a pause.' }),
    backoff: duration({ default: 1000, doc: 'How long the pause is.' }),
    ignoredmediatypes: list(name('application/octet-stream'), mediatypes),
    ignore: section(
      {
        mediatypes: list(name('application/octet-stream'), mediatypes),
        actions: list(name('pull'), { doc: 'Actions that no event is sent for.', example: '[pull]' }),
      },
      { doc: 'What no event is sent for.' },
    ),
  },
  { doc: 'A receiver.' },
);

export const notifications = noEffectYet(
  section(
    {
      events: {
        ...section(
          { includereferences: bool({ default: false, doc: 'Events name what a manifest refers to.' }) },
          { doc: 'What events hold.' },
        ),
        env: 'EVENTCONFIG',
      },
      endpoints: list(endpoint, { doc: 'Where events go.', example: '[{name: NAME, url: URL}]' }),
    },
    { doc: 'Events.' },
  ),
  {
    remedy: 'take it out: no events are sent',
    // What events hold asks for nothing by itself.
    asks: (value) => {
      const endpoints = at(value, 'endpoints');
      const enabled = Array.isArray(endpoints)
        ? endpoints.filter((entry) => at(entry, 'disabled') !== true)
        : endpoints;
      return saysSomething(enabled) || typeof value !== 'object';
    },
  },
);
