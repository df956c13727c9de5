/** The `registry` program as it comes, without extensions. */
import { run } from './program.ts';

await run(process);
