/** Sections that this version knows and does not act on; leaving them out harms nobody but who misses them. */
import { at, noEffectYet, saysSomething } from './section.ts';

const REMEDY = 'take it out';

/** What events hold asks for nothing by itself. */
export const notifications = noEffectYet({
  doc: 'Events.',
  remedy: 'take it out: no events are sent',
  asks: (value) => saysSomething(at(value, 'endpoints')) || (typeof value !== 'object' && saysSomething(value)),
});

export const reporting = noEffectYet({ doc: 'Error reporting services.', remedy: REMEDY });
