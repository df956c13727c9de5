/** The check by which an administrator takes a registry out of service: unhealthy while a file exists. */
import { stat } from 'node:fs/promises';
import type { FileCheckConfig } from '../config/types.ts';
import type { Check } from './checks.ts';

/** A folder that takes longer to look into hangs. */
const DEADLINE = 10_000;

export const fileCheck = ({ file, interval, threshold }: FileCheckConfig): Check => ({
  name: file,
  interval,
  threshold,
  deadline: DEADLINE,
  async probe() {
    try {
      await stat(file);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return;
      throw error;
    }
    throw new Error('file exists');
  },
});
