/** `policy`: what repositories may hold. */
import { fault, refine } from './check.ts';
import { section } from './section.ts';
import { list, text } from './values.ts';

const name = refine(text({ default: '', example: 'image', doc: 'A class.' }), (value, place) => {
  if (value === '') fault(place, 'expected a class', 'write image or plugin');
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
