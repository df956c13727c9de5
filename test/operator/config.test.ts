import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DEFAULT_IMAGE, readConfig } from '../../operator/config.ts';

test('without variables everything has a value; empty ones count as absent', () => {
  const read = readConfig({ BERTH_WORKERS: '', OTHER: 'x' });
  assert.ok('config' in read);
  assert.deepEqual(read.config, {
    image: DEFAULT_IMAGE,
    namespaces: [],
    log: { level: 'info', format: 'json' },
    probesPort: 8081,
    metricsPort: 8080,
    workers: 4,
  });
});

test('every variable that cannot be used is named, with what would be right', () => {
  const read = readConfig({
    BERTH_LOG_LEVEL: 'loud',
    BERTH_PROBES_PORT: '70000',
    BERTH_NAMESPACES: 'team-a, Team B',
    BERTH_WORKERS: 'many',
  });
  assert.ok('faults' in read);
  assert.deepEqual(read.faults, [
    'BERTH_NAMESPACES holds "Team B", which is no name of a namespace: separate names by commas',
    'BERTH_LOG_LEVEL is "loud": it must be one of error, warn, info, debug',
    'BERTH_PROBES_PORT is "70000": it must be a whole number from 1 to 65535',
    'BERTH_WORKERS is "many": it must be a whole number from 1 to 64',
  ]);
});
