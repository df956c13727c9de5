/**
 * What has to have reached the device before an answer goes out, told from a trace of system calls: the file's bytes
 * before it gets its name, the name before the answer, and so each folder that was made on the way.
 */
import { dirname } from 'node:path';
import type { Call } from './trace.ts';

export interface Demand {
  readonly what: string;
  /** Calls that meet it; none: a power loss at the wrong moment loses what was answered. */
  readonly metBy: readonly Call[];
}

const isSync = ({ name, failed }: Call): boolean => !failed && (name === 'fsync' || name === 'fdatasync');
const isRename = ({ name, failed }: Call): boolean => !failed && name.startsWith('rename');
const isMkdir = ({ name, failed }: Call): boolean => !failed && name.startsWith('mkdir');
const isRemoval = ({ name, failed }: Call): boolean => !failed && (name.startsWith('unlink') || name === 'rmdir');
const isWrite = ({ name }: Call): boolean => /^(p?writev?(64|2)?|copy_file_range|sendfile)$/.test(name);

/** The syncs of one file or folder that lie wholly between two points of the trace. */
const syncsOf = (calls: readonly Call[], path: string, after: number, before: number): readonly Call[] =>
  calls.filter((call) => isSync(call) && call.file === path && call.begin > after && call.end < before);

/** The answer whose head holds all of these texts. Throws if there is none. */
export function answerWith(calls: readonly Call[], ...texts: readonly string[]): Call {
  const isAnswer = ({ file, strings }: Call): boolean =>
    file?.startsWith('TCP') === true && texts.every((text) => strings.some((string) => string.includes(text)));
  const answer = calls.find(isAnswer);
  if (answer === undefined) throw new Error(`the trace has no answer with ${texts.join(' and ')}`);
  return answer;
}

/** Demands on a file that was put in its place for an answer. */
export function demandsOfFile(calls: readonly Call[], path: string, answer: Call): readonly Demand[] {
  const rename = calls
    .filter((call) => isRename(call) && call.strings.at(-1) === path && call.end < answer.begin)
    .at(-1);
  if (rename === undefined) return [{ what: `${path}: is put in its place`, metBy: [] }];
  const names = namesOf(calls, rename);
  const writes = calls.filter((call) => isWrite(call) && call.file !== undefined && names.has(call.file));
  const written = Math.max(-1, ...writes.map(({ end }) => end));
  const folder = dirname(path);
  return [
    // Nothing of ours is empty; bytes that come some other way must not pass for none.
    { what: `${path}: bytes are seen being written`, metBy: writes },
    {
      what: `${path}: bytes before the name`,
      metBy: [...names].flatMap((name) => syncsOf(calls, name, written, rename.begin)),
    },
    { what: `${path}: name before the answer`, metBy: syncsOf(calls, folder, rename.end, answer.begin) },
    ...demandsOfNewFolders(calls, folder, answer),
  ];
}

/** Every name that a file had until a rename gave it its last: what is being written may be set aside first. */
function namesOf(calls: readonly Call[], rename: Call): ReadonlySet<string> {
  const source = rename.strings[0] ?? '';
  const earlier = calls.filter((call) => isRename(call) && call.strings.at(-1) === source && call.end < rename.begin);
  const before = earlier.at(-1);
  return new Set([source, ...(before === undefined ? [] : namesOf(calls, before))]);
}

function demandsOfNewFolders(calls: readonly Call[], folder: string, answer: Call): readonly Demand[] {
  const demands: Demand[] = [];
  for (let current = folder; current !== '/'; current = dirname(current)) {
    const made = calls.find((call) => isMkdir(call) && call.strings[0] === current && call.end < answer.begin);
    if (made === undefined) continue;
    const metBy = syncsOf(calls, dirname(current), made.end, answer.begin);
    demands.push({ what: `${current}: new folder before the answer`, metBy });
  }
  return demands;
}

/** `path` gets its name after all that lasts of the others: whoever sees it finds them. */
export function demandOfOrder(
  calls: readonly Call[],
  path: string,
  earlier: readonly string[],
  answer: Call,
): readonly Demand[] {
  const last = calls.find((call) => isRename(call) && call.strings.at(-1) === path);
  if (last === undefined) return [{ what: `${path}: is put in its place`, metBy: [] }];
  return earlier.map((other) => {
    const named = calls.find((call) => isRename(call) && call.strings.at(-1) === other);
    const metBy =
      named === undefined ? [] : syncsOf(calls, dirname(other), named.end, Math.min(last.begin, answer.begin));
    return { what: `${other}: lasts before ${path}`, metBy };
  });
}

/** Demands on a removal, of a file or of a folder with all below it. */
export function demandsOfRemoval(calls: readonly Call[], path: string, answer: Call): readonly Demand[] {
  const removals = calls.filter((call) => isRemoval(call) && call.strings[0] === path && call.end < answer.begin);
  const last = removals.at(-1);
  const metBy = last === undefined ? [] : syncsOf(calls, dirname(path), last.end, answer.begin);
  return [{ what: `${path}: removed before the answer`, metBy }];
}

export const unmet = (demands: readonly Demand[]): readonly string[] =>
  demands.filter(({ metBy }) => metBy.length === 0).map(({ what }) => what);
