/**
 * kill -9 at random moments while clients push, tag, mount and delete.
 *
 *     SEED=abc123 KILL_PUSHES=2000 node test/run.ts test/fault/kill.test.ts
 */
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { temporaryFolder } from '../support/registry-process.ts';
import { fight } from './campaign.ts';

for (const campaign of [
  { replicas: 1, pushes: Number(process.env['KILL_PUSHES'] || 200), kills: 30 },
  { replicas: 2, pushes: 50, kills: 8 },
]) {
  const who = campaign.replicas === 1 ? 'a server' : `${campaign.replicas} servers on one folder`;
  test(`kill -9 of ${who} during random pushes: what was answered stays, nothing half-written is seen`, async (t) => {
    const root = join(await temporaryFolder(t), 'data');
    const uploadsOf = (name: string) => readdir(join(root, 'docker/registry/v2/repositories', name, '_uploads'));
    await fight(t, { ...campaign, longestLife: 500, root, uploadsOf });
  });
}
