/** `log.hooks`: log lines by mail. Not built yet. */
import { noEffectYet, section } from './section.ts';
import { bool, list, text } from './values.ts';

const value = (example: string, doc: string) => text({ default: '', example, doc });

const hook = section(
  {
    disabled: bool({ default: false, doc: 'Leaves it out.' }),
    type: value('mail', 'Only `mail`.'),
    levels: list(value('panic', ''), { doc: 'Levels of the lines.', example: '[panic, error]' }),
    options: {
      ...section(
        {
          smtp: section(
            {
              addr: value('"mail.example.com:25"', '`host:port`.'),
              username: value('me', 'The user there.'),
              password: text({ default: '', example: 'a password', secret: true, doc: 'Its password.' }),
              insecure: bool({ default: false, doc: 'Takes any certificate.' }),
            },
            { doc: 'The server.' },
          ),
          from: value('registry@example.com', 'The sender.'),
          to: list(value('admin@example.com', ''), { doc: 'Receivers.', example: '[admin@example.com]' }),
        },
        { doc: 'The mail.' },
      ),
      env: 'MAILOPTIONS',
    },
  },
  { doc: 'A hook.' },
);

const isOn = (entry: unknown): boolean =>
  typeof entry !== 'object' || entry === null || (entry as { disabled?: unknown }).disabled !== true;

export const hooks = noEffectYet(list(hook, { doc: 'Log lines by mail.', example: '[{type: mail}]' }), {
  remedy: 'take it out, or collect the log of the Pod',
  asks: (written) => !Array.isArray(written) || written.some(isOn),
});
