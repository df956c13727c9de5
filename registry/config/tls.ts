/** `http.tls`. Not built yet, and it protects, so it is a fault as soon as it asks for anything. */
import { fault, type Place, type Spec } from './check.ts';
import { notSupported, section } from './section.ts';
import { list, oneOf, text } from './values.ts';

const CLIENT_AUTH = [
  ...(['', 'request-client-cert', 'require-any-client-cert'] as const),
  ...(['verify-client-cert-if-given', 'require-and-verify-client-cert'] as const),
] as const;

const path = (example: string, doc: string): Spec<string> => text({ default: '', example, doc });

const versions = oneOf(['tls1.2', 'tls1.3'], { default: 'tls1.2', doc: 'The oldest version that is spoken.' });

const minimumtls = {
  ...versions,
  read(place: Place) {
    const { tree } = place;
    if (tree?.kind === 'scalar' && /^tls1\.[01]$/i.test(tree.text)) {
      fault(place, 'TLS 1.0 and 1.1 are gone since Distribution 3.0', 'write tls1.2');
      return 'tls1.2' as const;
    }
    return versions.read(place);
  },
};

export const tls = notSupported(
  section(
    {
      certificate: path('/etc/registry/tls.crt', 'The certificate and its chain, PEM.'),
      key: path('/etc/registry/tls.key', 'Its key, PEM.'),
      clientcas: list(path('/etc/registry/ca.crt', ''), {
        doc: "Files of the authorities that sign clients' certificates.",
        example: '[/etc/registry/ca.crt]',
      }),
      clientauth: oneOf(CLIENT_AUTH, { default: '', doc: 'What is asked of clients, with `clientcas`.' }),
      minimumtls,
      ciphersuites: list(path('TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256', ''), {
        doc: 'Suites of TLS 1.2, by the names of IANA.',
        example: '[TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256]',
      }),
      letsencrypt: section(
        {
          cachefile: path('/var/lib/letsencrypt', 'Where certificates are kept.'),
          email: path('admin@example.com', 'Who is told of problems.'),
          hosts: list(path('registry.example.com', ''), { doc: 'Names.', example: '[registry.example.com]' }),
          directoryurl: path('https://acme.example.com/directory', 'The ACME server.'),
        },
        { doc: 'Certificates by ACME.' },
      ),
    },
    { doc: 'TLS.' },
  ),
  { remedy: 'take it out and end TLS in front of the registry (an Ingress, a load balancer)' },
);
