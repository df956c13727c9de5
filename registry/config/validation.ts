/** `validation`: what a manifest is checked for when it is pushed. */
import { below, fault, refine, type Spec, warn } from './check.ts';
import { pattern } from './patterns.ts';
import { section } from './section.ts';
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
    disabled: bool({ default: false, doc: "Leaves out the checks of an index's children and of the URLs of layers." }),
    manifests: section(
      {
        references: oneOf(['all', 'none'], {
          default: 'all',
          doc: "Berth's own. `none` admits manifests whose configuration, layers or children are not there.",
        }),
        urls: section(
          {
            allow: list(pattern, {
              doc: 'RE2 patterns, one of which every URL of a layer must match. Both lists empty: any URL.',
              example: "['^https://example\\.com/']",
            }),
            deny: list(pattern, {
              doc: 'RE2 patterns, none of which a URL of a layer may match.',
              example: "['^http:']",
            }),
          },
          { doc: 'Which URLs the layers of a manifest may name.' },
        ),
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
      'it is empty, so that every child of an index is checked',
      'write its platforms, or platforms: all',
    );
  }
  const { allow, deny } = manifests.urls;
  if (off && allow.length + deny.length > 0) {
    warn(
      below(place, 'manifests', 'urls'),
      'has no effect, since validation.disabled is set',
      'take one of the two out',
    );
  }
  if (enabled && allow.length + deny.length === 0) {
    warn(
      below(place, 'enabled'),
      'foreign layers (those with URLs) are admitted while no list of URLs is written',
      "write validation.manifests.urls.deny: ['.*'] to refuse them, as Distribution does",
    );
  }
  return {
    enabled: !off,
    manifests: {
      urls: off ? { allow: [], deny: [] } : manifests.urls,
      references: manifests.references,
      indexes: { platforms: off ? 'none' : platforms, platformlist },
    },
  };
});
