/** What a case of the storage suite is, and what it stands on. */
import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import type { Store, StoreErrorCode } from '../../registry/storage/store.ts';

/** A driver under test. */
export interface Subject {
  /** The driver's own name. */
  readonly driver: string;
  /** The backend knows keys and no folders: an object does not keep others from being put below it. Default false. */
  readonly flat?: boolean;
  /** Whether 5 GiB may be written when `BERTH_LONG=1`. */
  readonly large: boolean;
  /** A fresh, empty store. */
  begin(t: TestContext): Promise<Ground>;
}

/** What one case stands on. */
export interface Ground {
  readonly store: Store;
  /** Another instance over the same content, as a second process would have it. */
  readonly peer: Store;
  /** Fails when the driver left something behind that the store does not show. */
  inspect?(): Promise<void>;
  /** The same, once everything that the store does show was deleted. */
  inspectEmpty?(): Promise<void>;
}

export interface Case {
  readonly name: string;
  run(ground: Ground, subject: Subject): Promise<void>;
}

/** Asserts that the work fails with a `StoreError` of that code which names the driver and the path. */
export async function rejectsWith(work: Promise<unknown>, code: StoreErrorCode, driver: string): Promise<void> {
  await assert.rejects(work, (error) => {
    assert.ok(error instanceof Error);
    assert.equal(error.name, 'StoreError', error.stack);
    assert.equal((error as Error & { code?: unknown }).code, code);
    assert.equal((error as Error & { driver?: unknown }).driver, driver);
    assert.ok(error.message.startsWith(`${driver}: `), error.message);
    return true;
  });
}
