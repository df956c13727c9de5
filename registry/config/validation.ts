/** `validation`: what a manifest is checked for when it is pushed. */
import { below, fault, refine, type Spec, warn } from './check.ts';
import { notSupported, section } from './section.ts';
import type { Platform, ValidationConfig } from './types.ts';
import { bool, list, oneOf, text } from './values.ts';

const platform: Spec<Platform> = refine(
  section(
    {
      os: text({ default: '', example: 'linux', doc: 'Such as `linux`.' }),
      architecture: text({ default: '', example: 'amd64', doc: 'Such as `amd64`.' }),
    },
    { doc: 'A platform.' },
  ),
  (value, place) => {
    if (value.os === '' || value.architecture === '') {
      fault(place, 'expected os and architecture', 'write {os: linux, architecture: amd64}');
    }
    return value;
  },
);

const read = section(
  {
    enabled: bool({ default: false, doc: 'Older key: turns checks on even if `validation.disabled` is set.' }),
    disabled: bool({ default: false, doc: "Leaves out the check of an index's children." }),
    manifests: section(
      {
        references: oneOf(['all', 'none'], {
          default: 'all',
          doc: "Berth's own. `none` admits manifests whose configuration, layers or children are not there.",
        }),
        urls: notSupported({
          doc: 'Which URLs the layers of a manifest may name.',
          remedy: 'take it out: layers with URLs are then admitted unchecked',
        }),
        indexes: section(
          {
            platforms: oneOf(['all', 'none', 'list'], {
              default: 'all',
              doc: 'Which children of an index must be there: all, none, or those of `platformlist`.',
            }),
            platformlist: list(platform, {
              doc: 'Platforms whose children must be there.',
              example: '[{os: linux, architecture: amd64}]',
            }),
          },
          { doc: 'Indexes.' },
        ),
      },
      { doc: 'Manifests.' },
    ),
  },
  { doc: 'What a manifest is checked for when it is pushed.' },
);

export const validation: Spec<ValidationConfig> = refine(read, ({ enabled, disabled, manifests }, place) => {
  const off = disabled && !enabled;
  const { platforms, platformlist } = manifests.indexes;
  if (!off && platforms === 'list' && platformlist.length === 0) {
    warn(
      below(place, 'manifests', 'indexes', 'platformlist'),
      'it is empty, so that no child of an index is checked',
      'write its platforms, or platforms: none',
    );
  }
  return {
    manifests: {
      references: manifests.references,
      indexes: { platforms: off ? 'none' : platforms, platformlist },
    },
  };
});
