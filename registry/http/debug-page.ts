/** What a page of the debug server is: a small question, an answer that lies ready. */

export interface DebugAnswer {
  readonly status: number;
  readonly type: string;
  readonly body: string | readonly Buffer[];
  readonly headers?: Readonly<Record<string, string>>;
}

export interface DebugRequest {
  readonly query: URLSearchParams;
  /** Whether the client is on this machine (or in this Pod), and no proxy stands between. */
  readonly isLocal: boolean;
  /** Fires when the client has gone. */
  readonly signal: AbortSignal;
}

export type DebugPage = (request: DebugRequest) => DebugAnswer | Promise<DebugAnswer>;

/** Without a line feed: scripts compare Distribution's `{}`. */
export const json = (status: number, value: object): DebugAnswer => ({
  status,
  type: 'application/json',
  body: JSON.stringify(value),
});

export const text = (status: number, body: string): DebugAnswer => ({
  status,
  type: 'text/plain; charset=utf-8',
  body,
});
