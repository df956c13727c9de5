/** The checks that the configuration asks for, under the names that `/debug/health` shows (Distribution's). */
import type { HealthConfig } from '../config/types.ts';
import type { Store } from '../storage/store.ts';
import type { Check } from './checks.ts';
import { fileCheck } from './file.ts';
import { httpCheck } from './http.ts';
import { storageCheck } from './storagedriver.ts';
import { tcpCheck } from './tcp.ts';

export function configuredChecks(config: HealthConfig, store: Store): readonly Check[] {
  const { storagedriver, file, http, tcp } = config;
  return named([
    ...(storagedriver.enabled ? [storageCheck(store, storagedriver)] : []),
    ...file.map(fileCheck),
    ...http.map(httpCheck),
    ...tcp.map(tcpCheck),
  ]);
}

/** URIs that differ in their secrets alone have one name once these are taken out; the second is then told by a number. */
function named(checks: readonly Check[]): readonly Check[] {
  const seen = new Map<string, number>();
  return checks.map((check) => {
    const count = (seen.get(check.name) ?? 0) + 1;
    seen.set(check.name, count);
    return count === 1 ? check : { ...check, name: `${check.name} (${count})` };
  });
}
