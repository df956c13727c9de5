/**
 * Reads what strace wrote (`-f -y`) and says whether an object was made durable before its writer was told so. A trace
 * shows what a test on a running kernel cannot: that the order of the calls would survive a power loss.
 */
import { dirname } from 'node:path';

export interface Call {
  readonly name: string;
  /** Between the parentheses, with `-y`'s paths behind the descriptors. */
  readonly args: string;
  /** Lines of the trace: a call that another thread's interrupted has a later end than its start. */
  readonly start: number;
  readonly end: number;
  readonly result: number;
}

const WHOLE = /^(\d+) +(\w+)\((.*)\) += (-?\d+)/;
const BEGUN = /^(\d+) +(\w+)\((.*) <unfinished \.\.\.>$/;
const RESUMED = /^(\d+) +<\.\.\. (\w+) resumed>(.*)\) += (-?\d+)/;

/** The calls that succeeded, in the order of their starts. */
export function parseTrace(text: string): Call[] {
  const calls: Call[] = [];
  const begun = new Map<string, { name: string; args: string; start: number }>();
  for (const [at, line] of text.split('\n').entries()) {
    const whole = WHOLE.exec(line);
    if (whole !== null) {
      const [, , name = '', args = '', result = ''] = whole;
      calls.push({ name, args, start: at, end: at, result: Number(result) });
      continue;
    }
    const [, thread = '', name = '', args = ''] = BEGUN.exec(line) ?? [];
    if (thread !== '') begun.set(thread, { name, args, start: at });
    const [, resumed = '', , rest = '', result = ''] = RESUMED.exec(line) ?? [];
    const call = begun.get(resumed);
    if (call !== undefined) calls.push({ ...call, args: call.args + rest, end: at, result: Number(result) });
  }
  return calls.filter(({ result }) => result >= 0).sort((a, b) => a.start - b.start);
}

function isSyncOf(call: Call, path: string): boolean {
  return (call.name === 'fsync' || call.name === 'fdatasync') && call.args.endsWith(`<${path}>`);
}

function isWriteTo(call: Call, path: string): boolean {
  return /^p?write(v|64|v2)?$/.test(call.name) && call.args.includes(`<${path}>`);
}

/** The two quoted paths of a rename. */
function renamed(call: Call): readonly [from: string, to: string] | undefined {
  if (!call.name.startsWith('rename')) return undefined;
  const [from, to] = [...call.args.matchAll(/"([^"]*)"/g)].map(([, path = '']) => path);
  return from === undefined || to === undefined ? undefined : [from, to];
}

/**
 * What is missing for the object at `target` to be durable when the writer prints `marker`: its bytes synced between the
 * last write and the rename, its folder synced behind the rename, the folder of each parent that was made in the trace
 * synced behind the making; all of it before the marker. Empty when nothing is.
 */
export function faultsOf(calls: readonly Call[], target: string, marker: string): string[] {
  const told = calls.find(({ name, args }) => name === 'write' && args.startsWith('1<') && args.includes(marker));
  if (told === undefined) return [`the marker ${marker} is not in the trace`];
  const before = calls.filter(({ end }) => end < told.start);
  const placing = before.findLast((call) => renamed(call)?.[1] === target);
  const [source] = (placing && renamed(placing)) ?? [];
  if (placing === undefined || source === undefined) return [`nothing was renamed to ${target}`];

  const faults: string[] = [];
  const written = before.findLast((call) => isWriteTo(call, source))?.end ?? -1;
  if (!before.some((call) => isSyncOf(call, source) && call.start > written && call.end < placing.start)) {
    faults.push(`${source} was not synced between its last write and its rename`);
  }
  if (!before.some((call) => isSyncOf(call, dirname(target)) && call.start > placing.end)) {
    faults.push(`${dirname(target)} was not synced behind the rename`);
  }
  for (let folder = dirname(target); folder !== '/'; folder = dirname(folder)) {
    const made = before.findLast(({ name, args }) => name.startsWith('mkdir') && args.includes(`"${folder}"`));
    if (made === undefined) continue;
    if (!before.some((call) => isSyncOf(call, dirname(folder)) && call.start > made.end)) {
      faults.push(`${dirname(folder)} was not synced behind the making of ${folder}`);
    }
  }
  return faults;
}
