/** `proxy`: a pull-through cache. Not built yet; serving only what is stored in place of an upstream would mislead, so it is a fault. */
import { at, notSupported, section } from './section.ts';
import { duration, text } from './values.ts';

export const proxy = notSupported(
  section(
    {
      remoteurl: text({ default: '', example: 'https://registry-1.docker.io', doc: 'The registry behind this one.' }),
      username: text({ default: '', example: 'me', doc: 'The user there.' }),
      password: text({ default: '', example: 'a password', secret: true, doc: 'Its password.' }),
      exec: section(
        {
          command: text({ default: '', example: 'docker-credential-x', doc: 'A credential helper.' }),
          lifetime: duration({ default: 0, doc: 'How long its answer is good for.' }),
        },
        { doc: 'Credentials by a program.' },
      ),
      ttl: text({ default: '168h', example: '168h', doc: 'How long content is kept; 0 or less: for ever.' }),
      cachewritetimeout: duration({ default: 300_000, doc: 'How long a write into the store may take.' }),
    },
    { doc: 'A pull-through cache.' },
  ),
  {
    remedy: 'take remoteurl out',
    asks: (value) => (at(value, 'remoteurl') ?? '') !== '' || typeof value !== 'object',
  },
);
