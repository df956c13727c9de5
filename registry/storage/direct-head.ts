/** The head of an answer, as far as its body can be taken straight from the connection (RFC 9112, 4 to 6). */

export interface AnswerHead {
  readonly status: number;
  readonly reason: string;
  /** Lower-case names. */
  readonly headers: Readonly<Record<string, string>>;
  /** Bytes of the body. */
  readonly length: number;
  /** Whether another request may follow on the connection. */
  readonly persists: boolean;
}

/**
 * Reads the lines before the empty one. `undefined`: it is anything but content of a known length (an error, chunks, an
 * interim answer, something malformed), which is for a whole HTTP parser.
 */
export function parseHead(text: string): AnswerHead | undefined {
  const [first = '', ...lines] = text.split('\r\n');
  const [, minor, status, reason = ''] = /^HTTP\/1\.([01]) (200|206)(?: (.*))?$/.exec(first) ?? [];
  if (status === undefined) return undefined;
  const headers: Record<string, string> = {};
  for (const line of lines) {
    const [, name, value = ''] = /^([\w!#$%&'*+.^`|~-]+):[ \t]*(.*?)[ \t]*$/.exec(line) ?? [];
    if (name === undefined) return undefined;
    const key = name.toLowerCase();
    const before = headers[key];
    headers[key] = before === undefined ? value : `${before}, ${value}`;
  }
  const { 'content-length': length = '', 'transfer-encoding': coding, connection = '' } = headers;
  // Two lengths, equal or not, make a list.
  if (coding !== undefined || !/^\d{1,15}$/.test(length)) return undefined;
  const persists = minor === '1' && !/\bclose\b/i.test(connection);
  return { status: Number(status), reason, headers, length: Number(length), persists };
}
