/** `reporting`: services that collect errors, in 2.x. Gone since Distribution 3.0. */
import { noEffectYet, section } from './section.ts';
import { bool, text } from './values.ts';

const value = (example: string, doc: string) => text({ default: '', example, doc });
const secret = (example: string, doc: string) => text({ default: '', example, secret: true, doc });

export const reporting = noEffectYet(
  section(
    {
      bugsnag: section(
        {
          apikey: secret('a key', 'The key.'),
          releasestage: value('production', 'The stage.'),
          endpoint: value('https://bugsnag.example.com', 'The server.'),
        },
        { doc: 'Bugsnag.' },
      ),
      newrelic: section(
        {
          licensekey: secret('a key', 'The key.'),
          name: value('registry', 'The name of the application.'),
          verbose: bool({ default: false, doc: 'Logs more.' }),
        },
        { doc: 'New Relic.' },
      ),
    },
    { doc: 'Services that collect errors, in 2.x.' },
  ),
  { remedy: 'take it out: Distribution 3.0 has none either; collect the log, or metrics of the debug address' },
);
