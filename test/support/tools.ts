import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { ensure, type Unavailable } from '../tools/cache.ts';
import { type GroupName, groupOf, type ProgramName } from '../tools/groups.ts';

/** One attempt for each group and process: what cannot be had stays so while the tests run. */
const attempts = new Map<GroupName, ReturnType<typeof ensure>>();

/**
 * Gives the absolute path of a program that the tests use, building or fetching its group on first use, with progress on
 * standard error; or the reason why this machine cannot have it.
 */
export async function tool(program: ProgramName): Promise<string | Unavailable> {
  const group = groupOf(program);
  let attempt = attempts.get(group);
  if (!attempt) {
    attempt = ensure(group, { progress: (line) => process.stderr.write(`tools: ${line}\n`) });
    attempts.set(group, attempt);
  }
  const built = await attempt;
  return 'reason' in built ? { reason: `${program}: ${built.reason}` } : join(built.bin, program);
}

/** Paths by program name, or all the reasons why some are missing. */
export async function tools<Name extends ProgramName>(
  ...programs: Name[]
): Promise<Record<Name, string> | Unavailable> {
  const paths: Partial<Record<Name, string>> = {};
  const reasons: string[] = [];
  for (const program of programs) {
    const found = await tool(program);
    if (typeof found === 'string') paths[program] = found;
    else reasons.push(found.reason);
  }
  return reasons.length > 0 ? { reason: reasons.join('; ') } : (paths as Record<Name, string>);
}

/**
 * Gives the programs that a test cannot do without. Where one is missing the test is skipped with the reason on screen and
 * `undefined` comes back, on which the test returns; with `CI=true` it fails instead, since there everything must run.
 *
 *     const paths = await requireTool(t, 'crane', 'skopeo');
 *     if (!paths) return;
 */
export async function requireTool<Name extends ProgramName>(
  t: TestContext,
  ...programs: Name[]
): Promise<Record<Name, string> | undefined> {
  const found = await tools(...programs);
  if (!('reason' in found)) return found;
  skip(t, found.reason);
  return undefined;
}

/** Skips a test with the reason on screen; with `CI=true` it fails. */
export function skip(t: TestContext, reason: string): void {
  if (inCi()) throw new Error(`with CI=true nothing may be skipped: ${reason}`);
  t.skip(reason);
}

/**
 * The same as a value of node:test's `skip` option, for a test or a whole suite:
 *
 *     test('…', { skip: await missing('crane') }, async () => …)
 *
 * @throws Error with `CI=true` when a program is missing
 */
export async function missing(...programs: ProgramName[]): Promise<string | false> {
  const found = await tools(...programs);
  if (!('reason' in found)) return false;
  if (inCi()) throw new Error(`with CI=true nothing may be skipped: ${found.reason}`);
  return found.reason;
}

function inCi(): boolean {
  return process.env['CI'] === 'true';
}
