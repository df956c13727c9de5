import { createHash } from 'node:crypto';
import type { Client } from './client.ts';
import type { KubeObject } from './object.ts';
import { resources } from './resources.ts';

/** One thing to tell about an object, for people who run `kubectl describe`. */
export interface Notice {
  type: 'Normal' | 'Warning';
  /** CamelCase, from a closed list. */
  reason: string;
  /** What was being done: CamelCase. */
  action: string;
  /** For people; at most 1024 bytes are kept. Never a value of a Secret. */
  note: string;
}

export interface EventRecorder {
  /** Writes an Event in the background. What cannot be written is dropped: Events are best effort. */
  record(regarding: KubeObject, notice: Notice): void;
  /** Resolves when nothing is under way. */
  drain(): Promise<void>;
}

export interface EventRecorderOptions {
  client: Client;
  /** `berth.dev/operator` and the name of the Pod: events.k8s.io/v1's reportingController and reportingInstance. */
  reporter: { controller: string; instance: string };
  /** Milliseconds since the epoch. */
  now: () => number;
  onDropped: (why: unknown) => void;
  signal: AbortSignal;
}

/** The same notice again within this time counts up the series of the first Event, as kube-apiserver keeps Events for an hour. */
const seriesMs = 6 * 60_000;
/** Series remembered, and objects whose rate is watched. */
const maxRemembered = 1000;
/** Per object: so many at once, and one more each `refillMs`. */
const burst = 25;
const refillMs = 60_000;

interface Series {
  name: string;
  count: number;
  lastAt: number;
}

/** Events by events.k8s.io/v1. A notice that repeats becomes a series of one Event; one object can only say so much. */
export function createEventRecorder(options: EventRecorderOptions): EventRecorder {
  const { client, reporter, now, onDropped, signal } = options;
  const series = new Map<string, Series>();
  const budgets = new Map<string, { tokens: number; at: number }>();
  const running = new Set<Promise<void>>();

  function allowed(uid: string): boolean {
    const at = now();
    const budget = budgets.get(uid) ?? { tokens: burst, at };
    const tokens = Math.min(burst, budget.tokens + (at - budget.at) / refillMs);
    remember(budgets, uid, { tokens: tokens >= 1 ? tokens - 1 : tokens, at });
    return tokens >= 1;
  }

  async function write(regarding: KubeObject, notice: Notice, id: string): Promise<void> {
    const at = now();
    const known = series.get(id);
    // Events of what is in no namespace live in `default`; ours are all in one.
    const namespace = regarding.metadata.namespace ?? 'default';
    if (known !== undefined && at - known.lastAt < seriesMs) {
      remember(series, id, { ...known, count: known.count + 1, lastAt: at });
      const body = { series: { count: known.count + 1, lastObservedTime: microTime(at) } };
      const place = { namespace, name: known.name };
      await client.patch(resources.event, place, { contentType: 'application/merge-patch+json', body }, signal);
      return;
    }
    const name = `${regarding.metadata.name.slice(0, 200)}.${id.slice(0, 8)}${at.toString(16)}`;
    remember(series, id, { name, count: 1, lastAt: at });
    await client.create(resources.event, eventOf(regarding, notice, { name, namespace, at, reporter }), signal);
  }

  return {
    record(regarding, notice) {
      const uid = regarding.metadata.uid ?? regarding.metadata.name;
      if (!allowed(uid)) {
        onDropped('too many Events about one object');
        return;
      }
      const id = createHash('sha256')
        .update(JSON.stringify([uid, notice]))
        .digest('hex');
      const written = write(regarding, notice, id)
        .catch((error: unknown) => {
          series.delete(id);
          onDropped(error);
        })
        .finally(() => running.delete(written));
      running.add(written);
    },
    async drain() {
      await Promise.all(running);
    },
  };
}

function eventOf(
  regarding: KubeObject,
  notice: Notice,
  as: { name: string; namespace: string; at: number; reporter: EventRecorderOptions['reporter'] },
): KubeObject {
  const { apiVersion, kind, metadata } = regarding;
  const event = {
    apiVersion: resources.event.apiVersion,
    kind: resources.event.kind,
    metadata: { name: as.name, namespace: as.namespace },
    eventTime: microTime(as.at),
    reportingController: as.reporter.controller,
    reportingInstance: as.reporter.instance.slice(0, 128),
    type: notice.type,
    reason: notice.reason,
    action: notice.action,
    note: clipped(notice.note, 1024),
    regarding: {
      apiVersion,
      kind,
      name: metadata.name,
      namespace: metadata.namespace,
      uid: metadata.uid,
      resourceVersion: metadata.resourceVersion,
    },
  };
  return event;
}

/** MicroTime: six digits, or the API server answers 400. */
function microTime(ms: number): string {
  return new Date(ms).toISOString().replace('Z', '000Z');
}

function clipped(text: string, bytes: number): string {
  const buffer = Buffer.from(text);
  if (buffer.length <= bytes) return text;
  return `${buffer
    .subarray(0, bytes - 3)
    .toString('utf8')
    .replace(/\uFFFD+$/, '')}…`;
}

/** Sets an entry as the newest and forgets the oldest beyond the bound. */
function remember<V>(map: Map<string, V>, key: string, value: V): void {
  map.delete(key);
  map.set(key, value);
  const oldest = map.size > maxRemembered ? map.keys().next().value : undefined;
  if (oldest !== undefined) map.delete(oldest);
}
