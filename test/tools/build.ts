/**
 * Builds the tools ahead of the tests that use them.
 *
 *   node test/tools/build.ts [GROUP...]   builds the groups (default: all but those on request) and prints the time of each; without names, what
 *                                         this machine cannot have is an error only with CI=true
 *   node test/tools/build.ts --list       shows what is there, what is not yet, and what this machine cannot have
 *   node test/tools/build.ts --prune      removes what the present sources no longer use
 */
import { basename } from 'node:path';
import { parseArgs } from 'node:util';
import { cacheRoot, ensure, find, prune } from './cache.ts';
import { type Group, type GroupName, groupNames, groups } from './groups.ts';

async function list(names: GroupName[]): Promise<number> {
  console.log(`in ${cacheRoot()}:`);
  for (const name of names) {
    const found = await find(name);
    const programs = Object.keys(groups[name].programs).join(' ');
    if (!found) console.log(`not built    ${name}: ${programs} (${groups[name].takes})`);
    else if ('reason' in found) console.log(`unavailable  ${name}: ${programs} (${found.reason})`);
    else {
      const versions = [...new Set(Object.entries(found.versions).map(([of, version]) => `${of} ${version}`))].join(
        ', ',
      );
      console.log(`built        ${basename(found.folder)} in ${found.seconds} s: ${versions}`);
    }
  }
  return 0;
}

async function build(names: GroupName[], strict: boolean): Promise<number> {
  let failed = 0;
  for (const name of names) {
    const built = await ensure(name, { progress: (line) => console.error(`tools: ${line}`) });
    if ('reason' in built) {
      failed++;
      console.log(`${name}: not available: ${built.reason}`);
    } else {
      console.log(`${name}: ready, made in ${built.seconds} s`);
    }
  }
  return failed > 0 && strict ? 1 : 0;
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { list: { type: 'boolean' }, prune: { type: 'boolean' } },
});
const known = groupNames();
const unknown = positionals.filter((name) => !known.some((group) => group === name));
if (unknown.length > 0) {
  console.error(`no such group: ${unknown.join(', ')}; there are ${known.join(', ')}`);
  process.exitCode = 2;
} else {
  const isChosen = (name: GroupName): boolean => {
    const group: Group = groups[name];
    const onRequest = group.kind === 'go' && group.onRequest === true;
    return positionals.length > 0 ? positionals.includes(name) : values.list === true || !onRequest;
  };
  const chosen = known.filter(isChosen);
  if (values.prune) console.log((await prune()).join('\n') || 'nothing to remove');
  else if (values.list) process.exitCode = await list(chosen);
  else process.exitCode = await build(chosen, positionals.length > 0 || process.env['CI'] === 'true');
}
