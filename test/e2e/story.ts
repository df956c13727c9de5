import type { TestContext } from 'node:test';

/** Steps of which each leans on the ones before. */
export interface Story {
  /** Seconds since the story began, for what happened before its first step. */
  note(what: string): void;
  /** Runs a step as a subtest. Once one has failed the rest is not tried: it would only wait for what cannot come. */
  step(name: string, work: () => Promise<void>): Promise<void>;
}

/**
 * A story of a test. How long each step took, and when it was done, stands among the test's diagnostics.
 *
 * @param evidence what to show when a step fails
 */
export function tell(t: TestContext, evidence: () => Promise<string>): Story {
  const began = performance.now();
  const seconds = (since: number) => ((performance.now() - since) / 1000).toFixed(1);
  let broken: string | undefined;
  let last = began;

  function note(what: string): void {
    t.diagnostic(`${seconds(began).padStart(6)} s  +${seconds(last).padStart(4)} s  ${what}`);
    last = performance.now();
  }

  return {
    note,
    async step(name, work) {
      await t.test(name, async (subtest) => {
        if (broken !== undefined) return subtest.skip(`not tried after the failure of "${broken}"`);
        last = performance.now();
        try {
          await work();
        } catch (error) {
          broken = name;
          t.diagnostic(await evidence().catch((cause: Error) => `no evidence: ${cause.message}`));
          throw error;
        } finally {
          note(broken === undefined ? name : `FAILED: ${name}`);
        }
      });
    },
  };
}
