/** How many store operations one request may have under way at once. */
const width = 16;

/** Runs `work` on each item, a bounded number at a time; the first failure is thrown and no further item is begun. */
export async function eachLimited<T>(
  items: readonly T[],
  work: (item: T) => Promise<void>,
  atOnce = width,
): Promise<void> {
  const rest = items.values();
  let failed = false;
  const worker = async (): Promise<void> => {
    for (const item of rest) {
      if (failed) return;
      await work(item).catch((error: unknown) => {
        failed = true;
        throw error;
      });
    }
  };
  await Promise.all(Array.from({ length: Math.min(atOnce, items.length) }, worker));
}
