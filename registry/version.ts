/** The program's version: package.json's, which a bundle carries inside it. */
import manifest from '../package.json' with { type: 'json' };

export const { version } = manifest;
