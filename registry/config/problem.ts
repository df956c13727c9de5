/** What is wrong with a configuration, said so that a person can put it right: where, what, and what to write instead. */

export interface Problem {
  /** The key's path in the file (`http.addr`), or the name of the environment variable that set it, with the place in its value (`REGISTRY_HTTP: headers.a`). */
  readonly path: string;
  readonly message: string;
  readonly remedy: string;
  /** Whether `path` names an environment variable. */
  readonly fromEnvironment: boolean;
}

/** Does not stop the start. */
export type Warning = Problem;

/** Stops the start. */
export type Fault = Problem;

/** One line for a person: `config.yml: http.addr: expected host:port, got 5: write "127.0.0.1:5000"`. */
export function formatProblem(file: string, problem: Problem): string {
  const parts = [problem.path, problem.message, problem.remedy];
  if (!problem.fromEnvironment) parts.unshift(file);
  return parts.filter((part) => part !== '').join(': ');
}

/** Everything that is wrong, at once. The message holds one line for each fault, `warningLines` one for each warning. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
  readonly faults: readonly Fault[];
  readonly warningLines: readonly string[];

  constructor(file: string, faults: readonly Fault[], warnings: readonly Warning[] = []) {
    super(faults.map((fault) => formatProblem(file, fault)).join('\n'));
    this.faults = faults;
    this.warningLines = warnings.map((warning) => formatProblem(file, warning));
  }
}
