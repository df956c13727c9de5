/** `compatibility`: formats of other years. */
import { section } from './section.ts';
import { bool, maybeText } from './values.ts';

export const compatibility = section(
  {
    schema1: section(
      {
        enabled: bool({
          default: false,
          doc: 'Admits pushes of schema 1, and converts schema 2 for clients that accept nothing newer.',
        }),
        signingkeyfile: {
          ...maybeText({
            example: '/etc/registry/schema1.json',
            doc: 'The key that signs schema 1. Unset: one derived from `http.secret`.',
          }),
          env: 'TRUSTKEY',
        },
      },
      { doc: 'Docker schema 1. What is stored is always served.' },
    ),
  },
  { doc: 'Formats of other years.' },
);
