/** `catalog` and `tags`: how long a page may be. */
import { below, fault, refine } from './check.ts';
import { section } from './section.ts';
import { int } from './values.ts';

const DEFAULT_ENTRIES = 1000;

export const catalog = refine(
  section(
    {
      maxentries: int({ default: DEFAULT_ENTRIES, doc: 'Most repositories in one page; 0 or less means the default.' }),
    },
    { doc: 'The list of repositories.' },
  ),
  ({ maxentries }) => ({ maxentries: maxentries <= 0 ? DEFAULT_ENTRIES : maxentries }),
);

export const tags = refine(
  section(
    { maxtags: int({ default: DEFAULT_ENTRIES, doc: 'Most tags in one page; 0 means the default.' }) },
    { doc: 'The list of tags.' },
  ),
  ({ maxtags }, place) => {
    if (maxtags < 0) {
      fault(below(place, 'maxtags'), `expected 0 or more, got ${maxtags}`, `write ${DEFAULT_ENTRIES}`);
    }
    return { maxtags: maxtags <= 0 ? DEFAULT_ENTRIES : maxtags };
  },
);
