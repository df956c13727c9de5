/** Who a process is, in leases: readable for people, and such that another one on the same machine can tell whether it lives. */
import { readFileSync, readlinkSync } from 'node:fs';
import { hostname } from 'node:os';

/** The machine since it was started, and the namespace in which process ids count; empty where the system does not tell. */
function place(): string {
  try {
    const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim();
    return `${boot}.${readlinkSync('/proc/self/ns/pid').replaceAll(/\D/g, '')}`;
  } catch {
    return '';
  }
}

/** `HOST/PID@PLACE`, without spaces. */
export const leaseHolder = (): string => `${hostname().replaceAll(/[^\w.-]/g, '_')}/${process.pid}@${place()}`;

/** Whether the holder was a process of this very machine and namespace that has ended. `false` if that cannot be told. */
export function isDeadHere(holder: string): boolean {
  const [, pid, where] = /\/(\d+)@(.+)$/.exec(holder) ?? [];
  if (pid === undefined || where !== place()) return false;
  try {
    process.kill(Number(pid), 0);
    return false;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ESRCH';
  }
}
