/** `version`: of the file's format, not of the program. */
import { fault, got, type Spec } from './check.ts';
import { isAbsent } from './tree.ts';

const CURRENT = '0.1';

export const version: Spec<typeof CURRENT> = {
  type: CURRENT,
  default: '',
  doc: "The version of the file's format. Required.",
  shape: { kind: 'scalar' },
  read(place) {
    const { tree } = place;
    if (tree === undefined || isAbsent(tree)) fault(place, 'missing', `write version: ${CURRENT}`);
    else if (tree.kind !== 'scalar' || tree.text !== CURRENT) {
      fault(place, `only ${CURRENT} can be read, ${got(tree)}`, `write version: ${CURRENT}`);
    }
    return CURRENT;
  },
};
