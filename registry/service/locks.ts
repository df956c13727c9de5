/**
 * Locks by name, within this process: many sharers or one owner. What they guard across processes is guarded by the order
 * of writes; they close the window within one, where it is widest.
 */
export interface Locks {
  shared<T>(name: string, work: () => Promise<T>): Promise<T>;
  exclusive<T>(name: string, work: () => Promise<T>): Promise<T>;
}

interface Gate {
  /** Resolves when the last exclusive holder before the next caller has let go. */
  exclusive: Promise<void>;
  /** Resolves when all sharers that came since then have let go. */
  shared: Promise<void>;
  /** Callers inside or waiting; the gate is dropped at 0. */
  users: number;
}

export function createLocks(): Locks {
  const gates = new Map<string, Gate>();

  async function enter<T>(name: string, isExclusive: boolean, work: () => Promise<T>): Promise<T> {
    let gate = gates.get(name);
    if (gate === undefined) {
      gate = { exclusive: Promise.resolve(), shared: Promise.resolve(), users: 0 };
      gates.set(name, gate);
    }
    const { promise: done, resolve: leave } = Promise.withResolvers<void>();
    const before = isExclusive ? Promise.all([gate.exclusive, gate.shared]) : gate.exclusive;
    if (isExclusive) {
      gate.exclusive = done;
      gate.shared = Promise.resolve();
    } else {
      gate.shared = Promise.all([gate.shared, done]).then(() => undefined);
    }
    gate.users++;
    try {
      await before;
      return await work();
    } finally {
      leave();
      if (--gate.users === 0) gates.delete(name);
    }
  }

  return {
    shared: (name, work) => enter(name, false, work),
    exclusive: (name, work) => enter(name, true, work),
  };
}
