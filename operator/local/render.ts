import { parseArgs } from 'node:util';
import { isOperatorError, OperatorError } from '../error.ts';
import { complain, EXIT, type Io } from './io.ts';
import { manifest, printable } from './manifest.ts';
import { readRegistries } from './read.ts';

const USAGE = `usage: operator render -f FILE|- [-n NAMESPACE] [-o yaml|json]

Checks the Registries of a file without a cluster and prints what the operator would apply.

  -f, --file FILE            the file, or - for standard input
  -n, --namespace NAMESPACE  the namespace of Registries that name none (default: default)
  -o, --output yaml|json     the form (default: yaml)
`;

/** What `operator render` was asked for. */
export interface RenderOptions {
  readonly file: string;
  readonly namespace: string | undefined;
  readonly output: 'yaml' | 'json';
}

/** `operator render`: the exit code is 0 when everything was printed, 1 for a Registry that is refused, 2 for a mistaken call. */
export async function renderCommand(argv: readonly string[], io: Io): Promise<number> {
  try {
    const options = renderOptions(argv);
    if (options === 'help') io.stdout.write(USAGE);
    else io.stdout.write(await renderFile(options, io));
    return EXIT.done;
  } catch (error) {
    if (isOperatorError(error, 'config')) {
      io.stderr.write(`${error.message}\n`);
      return EXIT.refused;
    }
    if (!isOperatorError(error, 'usage')) throw error;
    complain(io, 'render', error.message);
    return EXIT.usage;
  }
}

/** The manifests of a file's Registries as text: YAML documents, or one JSON List. */
export async function renderFile({ file, namespace, output }: RenderOptions, io: Io): Promise<string> {
  const registries = await readRegistries(file, namespace, io);
  if (output === 'yaml') return registries.map(({ resolved }) => manifest(resolved)).join('---\n');
  const items = registries.flatMap(({ resolved }) => printable(resolved));
  return `${JSON.stringify({ apiVersion: 'v1', kind: 'List', items }, null, 2)}\n`;
}

function renderOptions(argv: readonly string[]): RenderOptions | 'help' {
  const { values } = parseOptions(argv);
  if (values.help) return 'help';
  const output = values.output ?? 'yaml';
  if (output !== 'yaml' && output !== 'json')
    throw new OperatorError('usage', `-o must be yaml or json, not ${output}`);
  if (values.file === undefined) throw new OperatorError('usage', `-f is missing\n${USAGE}`);
  return { file: values.file, namespace: values.namespace, output };
}

function parseOptions(argv: readonly string[]) {
  try {
    return parseArgs({
      args: [...argv],
      options: {
        file: { type: 'string', short: 'f' },
        namespace: { type: 'string', short: 'n' },
        output: { type: 'string', short: 'o' },
        help: { type: 'boolean', short: 'h' },
      },
    });
  } catch (error) {
    throw new OperatorError('usage', `${error instanceof Error ? error.message : error}\n${USAGE}`);
  }
}
