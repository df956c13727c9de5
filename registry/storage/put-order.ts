/** The order in which a group of puts appears, for every driver (`Store.putAll`). */

/** What may appear at once, and behind it, once that is durable, what points to it. No group is empty. */
export const inOrder = <T extends { readonly last?: boolean | undefined }>(
  puts: readonly T[],
): readonly (readonly T[])[] =>
  [puts.filter(({ last }) => last !== true), puts.filter(({ last }) => last === true)].filter(
    (group) => group.length > 0,
  );
