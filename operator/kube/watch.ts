import { OperatorError } from '../error.ts';
import { metadataAccept } from './client.ts';
import { fromStatus } from './errors.ts';
import type { KubeObject } from './object.ts';
import { pathOf, type Resource } from './resources.ts';
import type { Transport } from './transport.ts';

/** What to list and watch. */
export interface Selection {
  resource: Resource;
  /** Absent: all namespaces. */
  namespace?: string | undefined;
  labelSelector?: string | undefined;
  /** Names, labels and versions alone. */
  metadataOnly?: boolean;
}

export interface WatchEvent {
  type: 'ADDED' | 'MODIFIED' | 'DELETED' | 'BOOKMARK';
  object: KubeObject;
}

/** Largest line: etcd takes requests of 1.5 MiB, and JSON is at most a few times larger than what is stored. */
const maxLine = 16 * 1024 * 1024;

/**
 * One watch, from `resourceVersion` until the server ends it after `timeoutSeconds` (then it returns).
 *
 * @param idleMs silence after which the connection counts as dead; the server sends a bookmark about once a minute
 * @param onOpen called when the server has accepted the watch
 * @throws `gone` when the version is too old to go on from, `deadline` on silence, `malformed` on a line that is no event, and whatever
 *   the request itself fails with
 */
export async function watch(
  transport: Transport,
  selection: Selection,
  from: { resourceVersion: string; timeoutSeconds: number; idleMs: number; signal: AbortSignal; onOpen?: () => void },
  onEvent: (event: WatchEvent) => void,
): Promise<void> {
  const { resource, namespace, labelSelector, metadataOnly } = selection;
  const what = `watch ${resource.plural}${namespace === undefined ? '' : ` in ${namespace}`}`;
  const body = await transport.stream(
    {
      what,
      method: 'GET',
      path: pathOf(resource, namespace),
      query: {
        watch: 'true',
        allowWatchBookmarks: 'true',
        resourceVersion: from.resourceVersion,
        timeoutSeconds: String(from.timeoutSeconds),
        ...(labelSelector === undefined ? {} : { labelSelector }),
      },
      accept: metadataOnly ? metadataAccept.watch : 'application/json',
      deadlineMs: 30_000,
      signal: from.signal,
    },
    from.idleMs,
  );
  from.onOpen?.();
  for await (const line of lines(body, what)) onEvent(parse(line, what));
}

async function* lines(body: AsyncIterable<Buffer>, what: string): AsyncGenerator<string> {
  let pending: Buffer[] = [];
  let size = 0;
  for await (const chunk of body) {
    let start = 0;
    for (let end = chunk.indexOf(10); end >= 0; end = chunk.indexOf(10, start)) {
      yield Buffer.concat([...pending, chunk.subarray(start, end)]).toString('utf8');
      pending = [];
      size = 0;
      start = end + 1;
    }
    if (start < chunk.length) {
      pending.push(chunk.subarray(start));
      size += chunk.length - start;
      if (size > maxLine) throw new OperatorError('malformed', `${what}: an event is larger than ${maxLine} bytes`);
    }
  }
  if (size > 0) throw new OperatorError('malformed', `${what}: the connection ended within an event`);
}

function parse(line: string, what: string): WatchEvent {
  let event: { type?: unknown; object?: { code?: unknown; metadata?: { resourceVersion?: unknown } } };
  try {
    event = JSON.parse(line);
  } catch (cause) {
    throw new OperatorError('malformed', `${what}: an event is not JSON`, { cause });
  }
  switch (event?.type) {
    case 'ERROR':
      throw fromStatus(what, typeof event.object?.code === 'number' ? event.object.code : 500, event.object);
    case 'ADDED':
    case 'MODIFIED':
    case 'DELETED':
    case 'BOOKMARK':
      if (typeof event.object?.metadata?.resourceVersion === 'string') return event as WatchEvent;
  }
  throw new OperatorError('malformed', `${what}: an event has an unknown form`);
}
