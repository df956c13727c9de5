/** `policy`: what repositories may hold. */
import { fault, refine, warn } from './check.ts';
import { didYouMean } from './nearest.ts';
import { section } from './section.ts';
import { list, text } from './values.ts';

/** Those that manifests have. */
const CLASSES = ['image', 'plugin'] as const;

const name = refine(text({ default: '', example: 'image', doc: 'A class.' }), (value, place) => {
  if (value === '') fault(place, 'expected a class', 'write image or plugin');
  else if (!CLASSES.some((known) => known === value)) {
    warn(
      place,
      `no manifest is of the class ${JSON.stringify(value.slice(0, 60))}`,
      didYouMean(value, CLASSES, 'write image or plugin'),
    );
  }
  return value;
});

export const policy = section(
  {
    repository: section(
      {
        classes: list(name, {
          doc: 'Classes of configurations that may be pushed, such as `image` and `plugin`. Empty: all.',
          example: '[image]',
        }),
      },
      { doc: 'Repositories.' },
    ),
  },
  { doc: 'What repositories may hold.' },
);
