/** System calls of a process and its threads, as `strace -f -yy` wrote them down. */

export interface Call {
  readonly name: string;
  /** Where it began and where it had ended, as positions in the trace. Calls of several threads overlap. */
  readonly begin: number;
  readonly end: number;
  readonly failed: boolean;
  /** The path of the descriptor that it was given, if it was. */
  readonly file: string | undefined;
  /** The strings among its arguments: paths, or the beginning of what was written. */
  readonly strings: readonly string[];
}

/** What `strace` is asked to write down. A leading question mark: not every architecture has it. */
export const traced = [
  ...['write', 'writev', 'pwrite64', 'pwritev', '?pwritev2', 'sendto', 'sendmsg', '?sendfile', 'copy_file_range'],
  ...['fsync', 'fdatasync', '?rename', 'renameat', 'renameat2', '?mkdir', 'mkdirat', '?unlink', 'unlinkat', '?rmdir'],
];

export const straceOptions = (strace: string, output: string): readonly string[] => [
  ...[strace, '-f', '-yy', '-s', '400', '-o', output, '-e', `trace=${traced.join(',')}`],
];

const whole = /^(\d+) +(\w+)\((.*)\) += (-?\d+|\?)/;
const unfinished = /^(\d+) +(\w+)\((.*) <unfinished \.\.\.>$/;
const resumed = /^(\d+) +<\.\.\. (\w+) resumed>(.*)\) += (-?\d+|\?)/;

/** Throws on a line that is none of the kinds it knows, so that nothing is overlooked. */
export function parseTrace(text: string): readonly Call[] {
  const calls: Call[] = [];
  const pending = new Map<string, { begin: number; text: string }>();
  for (const [at, line] of text.split('\n').entries()) {
    const begun = unfinished.exec(line);
    if (begun) {
      pending.set(`${begun[1]} ${begun[2]}`, { begin: at, text: begun[3] ?? '' });
      continue;
    }
    const ended = resumed.exec(line);
    if (ended) {
      const [, thread, name = '', rest = '', result = ''] = ended;
      const start = pending.get(`${thread} ${name}`);
      if (start === undefined) throw new Error(`line ${at + 1} ends a call that never began: ${line}`);
      pending.delete(`${thread} ${name}`);
      calls.push(callOf(name, start.text + rest, result, start.begin, at));
      continue;
    }
    const [, , name = '', rest = '', result = ''] = whole.exec(line) ?? [];
    if (name !== '') calls.push(callOf(name, rest, result, at, at));
    else if (line !== '' && !/^\d+ +(\+\+\+|---|<\.\.\. \w+ resumed> <unfinished)|\?\?\?/.test(line)) {
      throw new Error(`line ${at + 1} of the trace cannot be read: ${line}`);
    }
  }
  return calls;
}

function callOf(name: string, text: string, result: string, begin: number, end: number): Call {
  const file = /^\d+<([^>]*(?:->[^>]*)?)>/.exec(text)?.[1]?.replace(/ \(deleted\)$/, '');
  const strings = [...text.matchAll(/"((?:[^"\\]|\\.)*)"/g)].map((match) => match[1] ?? '');
  return { name, begin, end, failed: result.startsWith('-'), file, strings };
}
