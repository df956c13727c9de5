/**
 * The same requests to Distribution 3.1 and to Berth, on equal trees. Each difference has to be known, with its reason, and
 * each known difference has to be there: so nothing changes for those who come from Distribution without being written down.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { areas } from '../differential/areas.ts';
import type { Setup } from '../differential/exchange.ts';
import { explains, topics } from '../differential/known.ts';
import type { Difference } from '../differential/observation.ts';
import { differencesPage } from '../differential/page.ts';
import { compare, plantWithDistribution } from '../differential/pair.ts';
import { requireTool } from '../support/tools.ts';

const known = topics.flatMap((topic) => topic.known);

const show = ({ at, field, theirs, ours }: Difference): string =>
  `${at}\n    ${field}: Distribution ${theirs.slice(0, 300)}; Berth ${ours.slice(0, 300)}`;

test('every answer that differs from Distribution 3.1 is known, and every known difference is there', async (t) => {
  const tools = await requireTool(t, 'distribution');
  if (!tools) return;
  const planted = await plantWithDistribution(t, tools.distribution);
  const setups = new Set<Setup>(areas.flatMap(({ exchanges }) => exchanges.map(({ setup }) => setup)));
  const found: Difference[] = [];
  let requests = 0;
  for (const setup of setups) {
    const { requests: count, differences } = await compare(t, planted, setup, areas);
    found.push(...differences);
    requests += count;
  }
  t.diagnostic(`${requests} requests, ${found.length} differences in fields, ${known.length} entries`);
  assert.ok(requests >= 300);

  const isKnown = (difference: Difference): boolean =>
    known.some((entry) => entry.at.some((place) => explains(entry, place, difference)));
  const unknown = found.filter((difference) => !isKnown(difference)).map(show);
  const vanished = known.flatMap((entry) =>
    entry.at
      .filter((place) => !found.some((difference) => explains(entry, place, difference)))
      .map((place) => `${place}: ${entry.says}`),
  );
  assert.deepEqual({ unknown, vanished }, { unknown: [], vanished: [] });
});

test('the page for people who migrate lists these differences', async () => {
  const { written, current } = await differencesPage();
  assert.equal(written, current, 'run: node test/differential/page.ts');
});
