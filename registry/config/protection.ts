/**
 * Sections that protect something and are not built yet. Starting without them would be a registry that is open where its
 * owner believes it closed, so each is a fault as soon as it asks for anything.
 */
import { fault, type Spec } from './check.ts';
import { didYouMean } from './nearest.ts';
import { at, notSupported } from './section.ts';

const PROVIDERS: readonly string[] = ['none', 'silly', 'htpasswd', 'token'];

/** A provider's name, or a map of the one provider. `none`, in any case, is the only one of this version. */
export const auth: Spec<undefined> = {
  type: 'none',
  default: 'none',
  doc: 'Who may do what. Only `none` in this version; anything else is a fault.',
  shape: { kind: 'map', keys: {}, of: { kind: 'any' }, bare: true },
  unbuilt: 'fault',
  read(place) {
    const { tree } = place;
    const bare = tree?.kind === 'scalar' && tree.text !== '' && tree.value !== null ? [tree.text] : [];
    const names = tree?.kind === 'mapping' ? [...tree.entries.keys()] : bare;
    if (tree?.kind === 'sequence') fault(place, 'expected a provider, got a list', 'write auth: none');
    if (names.length > 1) {
      fault(place, `expected exactly one provider, got ${names.join(' and ')}`, 'keep one and take the other out');
    }
    for (const name of names) {
      if (name.toLowerCase() === 'none') continue;
      if (PROVIDERS.includes(name)) {
        fault(
          place,
          `the provider ${name} is not supported by this version`,
          'take it out, and put a proxy that authenticates in front',
        );
      } else {
        fault(place, `unknown provider ${JSON.stringify(name)}`, didYouMean(name, PROVIDERS, 'write auth: none'));
      }
    }
    return undefined;
  },
};

export const proxy = notSupported({
  doc: 'A pull-through cache.',
  remedy: 'take remoteurl out',
  asks: (value) => (at(value, 'remoteurl') ?? '') !== '' || typeof value !== 'object',
});
