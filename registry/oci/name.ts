/** Repository names and tags: the distribution specification, "Pulling manifests" (its two regular expressions). */

declare const brand: unique symbol;
export type RepositoryName = string & { readonly [brand]: 'RepositoryName' };
export type Tag = string & { readonly [brand]: 'Tag' };

const component = '[a-z0-9]+(?:(?:\\.|_|__|-+)[a-z0-9]+)*';
const nameGrammar = new RegExp(`^${component}(?:/${component})*$`);
const tagGrammar = /^[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}$/;

/** Characters; what Distribution and most clients allow for a name. */
const maxNameLength = 255;

export const isTooLong = (text: string): boolean => text.length > maxNameLength;

export const parseName = (text: string): RepositoryName | undefined =>
  !isTooLong(text) && nameGrammar.test(text) ? (text as RepositoryName) : undefined;

export const parseTag = (text: string): Tag | undefined => (tagGrammar.test(text) ? (text as Tag) : undefined);
