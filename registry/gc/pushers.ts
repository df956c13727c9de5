/** Registry processes that accept pushes beside a collection: each has to learn of it before anything is looked at. */
import { markLife } from '../service/collections.ts';
import * as keys from '../service/keys.ts';
import type { Cancellable, Store } from '../storage/store.ts';
import { pages } from './walk.ts';

export interface PushersOptions extends Cancellable {
  /** Milliseconds since the epoch by the store's clock, at which the lease was taken. */
  readonly since: number;
  /** Whether the process is known to have ended. */
  readonly isDead: (holder: string) => boolean;
}

/** How many may be running. To be asked under the lease; takes the marks of those away that are not. */
export async function livingPushers(store: Store, { since, isDead, signal }: PushersOptions): Promise<number> {
  let living = 0;
  for await (const page of pages(store, keys.pushersRoot, { signal })) {
    for (const { name } of page) {
      const mark = keys.pusher(name);
      const [content, stat] = await Promise.all([store.read(mark, { signal }), store.stat(mark, { signal })]);
      if (content === undefined || stat === undefined) continue;
      if (!isDead(content.toString('latin1')) && since - stat.modified < markLife) living++;
      else await store.delete(mark, { durable: false, signal });
    }
  }
  return living;
}
