import type { Group, Options } from './options.ts';
import { type Family, runFamilies } from './suite.ts';

/** Loaded by the test runner: reads the options that `main.ts` left, and loads the groups that were asked for. */

const options = JSON.parse(process.env['BERTH_CONFORMANCE'] ?? '{}') as Options;

const families: Record<Group, () => Promise<Readonly<Record<string, Family>>>> = {
  core: async () => (await import('./core.ts')).core,
  auth: async () => ({ auth: (await import('./groups/auth.ts')).auth }),
  purge: async () => ({ purge: (await import('./groups/purge.ts')).purge }),
  redirect: async () => ({ redirect: (await import('./groups/redirect.ts')).redirect }),
  limits: async () => ({ limits: (await import('./groups/limits.ts')).limits }),
  upgrade: async () => ({ upgrade: (await import('./groups/upgrade.ts')).upgrade }),
};

const asked = await Promise.all(options.groups.map((group) => families[group]()));
runFamilies(Object.assign({}, ...asked) as Record<string, Family>, options);
