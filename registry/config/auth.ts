/**
 * `auth`: who may do what. Not built yet, and it protects: starting without it would be a registry that is open where its
 * owner believes it closed. So whatever asks for a provider is a fault.
 */
import { childOf, fault, type Spec } from './check.ts';
import { didYouMean } from './nearest.ts';
import { section } from './section.ts';
import { isAbsent, type Tree } from './tree.ts';
import { bool, list, text } from './values.ts';

const realm = text({ default: '', example: 'my-registry', doc: 'What the challenge names as realm.' });
const service = text({ default: '', example: 'registry.example.com', doc: 'What the challenge names as service.' });
const algorithm = text({ default: '', example: 'ES256', doc: '' });

const providers = {
  silly: section({ realm, service }, { doc: 'Any Authorization header will do.', untyped: true }),
  htpasswd: section(
    { realm, path: text({ default: '', example: '/etc/registry/htpasswd', doc: 'The file of users, with bcrypt.' }) },
    { doc: 'Users of a file.', untyped: true },
  ),
  token: section(
    {
      realm,
      service,
      issuer: text({ default: '', example: 'auth.example.com', doc: 'Who issues tokens.' }),
      rootcertbundle: text({ default: '', example: '/etc/registry/auth.pem', doc: 'Certificates of the issuer, PEM.' }),
      jwks: text({ default: '', example: '/etc/registry/jwks.json', doc: 'Keys of the issuer.' }),
      signingalgorithms: list(algorithm, { doc: 'Algorithms that may sign tokens.', example: '[ES256]' }),
      autoredirect: bool({ default: false, doc: "Takes the realm from the request's host." }),
      autoredirectpath: text({ default: '/auth/token', example: '/auth/token', doc: 'The path of that realm.' }),
    },
    { doc: 'Tokens of a server.', untyped: true },
  ),
};

const isProvider = (name: string): name is keyof typeof providers => Object.hasOwn(providers, name);

/** A provider's name, or a map of the one provider. `none`, in any case, is the only one of this version. */
export const auth: Spec<undefined> & { readonly remedy: string } = {
  type: 'map with one provider, or its name',
  default: 'none',
  doc: 'Who may do what. Only `none` in this version; anything else is a fault.',
  remedy: 'take it out, and put a proxy that authenticates in front',
  shape: { kind: 'map', keys: providers, of: { kind: 'any' }, bare: true },
  unbuilt: 'fault',
  read(place) {
    const { tree } = place;
    if (tree?.kind === 'sequence') fault(place, 'expected a provider, got a list', 'write auth: none');
    const names = namesIn(tree);
    if (names.length > 1) {
      fault(place, `expected exactly one provider, got ${names.join(' and ')}`, 'keep one and take the other out');
    }
    for (const name of names) {
      if (name.toLowerCase() === 'none') continue;
      if (isProvider(name)) {
        fault(place, `the provider ${name} is not supported by this version`, auth.remedy);
        if (tree?.kind === 'mapping') providers[name].read(childOf(place, name, tree.entries.get(name)));
      } else {
        const known = [...Object.keys(providers), 'none'];
        fault(place, `unknown provider ${JSON.stringify(name)}`, didYouMean(name, known, 'write auth: none'));
      }
    }
    return undefined;
  },
};

function namesIn(tree: Tree | undefined): readonly string[] {
  if (tree?.kind === 'mapping') return [...tree.entries.keys()];
  return tree?.kind === 'scalar' && tree.text !== '' && !isAbsent(tree) ? [tree.text] : [];
}
