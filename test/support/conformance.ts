import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';

/** What the conformance program reports with `-o json`. */
export interface Conformance {
  readonly counts: { readonly tests: number; readonly pass: number; readonly fail: number; readonly skip: number };
  readonly results: readonly { readonly name: string; readonly outcome: string; readonly reason?: string }[];
  /** The exit code: 0 if nothing failed. */
  readonly code: number | null;
}

const program = new URL('../conformance/main.ts', import.meta.url).pathname;

/** Runs the conformance program against a registry, as its users do. */
export async function runConformance(url: string, ...args: readonly string[]): Promise<Conformance> {
  const child = spawn(process.execPath, [program, url, '-o', 'json', ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    // A test runner inside a test runner would report to the outer one.
    env: { ...process.env, NODE_TEST_CONTEXT: undefined },
  });
  let [stdout, stderr] = ['', ''];
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', resolve);
  });
  if (!stdout.startsWith('{')) throw new Error(`the conformance program ended with ${code}: ${stderr}${stdout}`);
  return { ...(JSON.parse(stdout) as Omit<Conformance, 'code'>), code };
}

/** One line for each test of an outcome, for messages. */
export function listed({ results }: Conformance, outcome: string): string {
  const chosen = results.filter((result) => result.outcome === outcome);
  return chosen.map(({ name, reason }) => `${name}\n    ${(reason ?? '').split('\n')[0]}`).join('\n');
}

/** Asserts that everything ran and nothing failed. */
export function expectClean(result: Conformance): void {
  assert.ok(result.counts.tests > 0, 'no test ran');
  assert.equal(result.counts.fail, 0, `failed:\n${listed(result, 'fail')}`);
  assert.equal(result.counts.skip, 0, `skipped:\n${listed(result, 'skip')}`);
  assert.equal(result.code, 0);
}
