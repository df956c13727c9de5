/** The access log: one line a request in Apache's combined format, as Distribution writes it to standard output. */
import type { Output } from './output.ts';
import { redactText, redactUrl } from './redact.ts';

export interface AccessEntry {
  /** The peer's address without its port, as Distribution has it: what a proxy says of its client stands in the other log. */
  readonly remoteAddress: string | undefined;
  /** The authenticated user. */
  readonly user?: string | undefined;
  /** When the request came, milliseconds since the epoch. */
  readonly time: number;
  readonly method: string;
  /** As the client sent it, with its query. */
  readonly uri: string;
  /** `1.1`. */
  readonly httpVersion: string;
  readonly status: number;
  /** Bytes of the answer's body. */
  readonly bytes: number;
  readonly referer?: string | undefined;
  readonly userAgent?: string | undefined;
}

export type AccessLog = (entry: AccessEntry) => void;

/** The writer of access lines; `undefined` when the log is turned off, so that callers need not gather an entry. */
export function createAccessLog(
  config: { readonly disabled: boolean },
  { stream }: { readonly stream: Output },
): AccessLog | undefined {
  if (config.disabled) return undefined;
  const time = createClock();
  return (entry) => {
    stream.write(
      `${entry.remoteAddress ?? '-'} - ${unbreakable(entry.user || '-')} [${time(entry.time)}] "${unbreakable(entry.method)} ` +
        `${unbreakable(redactText(entry.uri))} HTTP/${entry.httpVersion}" ${entry.status} ${entry.bytes} ` +
        `"${unbreakable(redactUrl(entry.referer ?? ''))}" "${unbreakable(redactText(entry.userAgent ?? ''))}"\n`,
    );
  };
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what must not reach a log raw
const UNSAFE = /["\\\x00-\x1f\x7f-\x9f]/;
// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what must not reach a log raw
const EACH_UNSAFE = /["\\\x00-\x1f\x7f-\x9f]/g;

/** What a client sent can't end the quotes nor the line. */
const unbreakable = (text: string): string =>
  UNSAFE.test(text)
    ? text.replace(EACH_UNSAFE, (found) =>
        found === '"' || found === '\\' ? `\\${found}` : `\\x${found.charCodeAt(0).toString(16).padStart(2, '0')}`,
      )
    : text;

const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];

/** `10/Oct/2026:13:55:36 +0200` in the process' time zone; made anew once a second. */
function createClock(): (time: number) => string {
  let second = Number.NaN;
  let text = '';
  return (time) => {
    const wanted = Math.floor(time / 1000);
    if (wanted !== second) {
      second = wanted;
      text = commonLogTime(new Date(wanted * 1000));
    }
    return text;
  };
}

function commonLogTime(date: Date): string {
  const two = (value: number): string => String(value).padStart(2, '0');
  const offset = -date.getTimezoneOffset();
  const zone = `${offset < 0 ? '-' : '+'}${two(Math.floor(Math.abs(offset) / 60))}${two(Math.abs(offset) % 60)}`;
  const day = `${two(date.getDate())}/${MONTHS[date.getMonth()]}/${date.getFullYear()}`;
  return `${day}:${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())} ${zone}`;
}
