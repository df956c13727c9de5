/**
 * `/debug/pprof/`: what Node has in place of Go's profiles. One at a time, since each costs the registry some of its speed.
 * Files are those of Chrome's developer tools, Visual Studio Code and speedscope.
 */
import { Session } from 'node:inspector';
import { setTimeout as delay } from 'node:timers/promises';
import { gzipSync } from 'node:zlib';
import { type DebugAnswer, type DebugPage, type DebugRequest, text } from './debug-page.ts';

/** Seconds, as Go's default, and the most that may be asked for. */
const DEFAULT_SECONDS = 30;
const MAX_SECONDS = 300;
/** Samples of the processor kept at most; longer profiles look less often. */
const MAX_SAMPLES = 60_000;
/** Bytes between two samples of allocations. */
const ALLOCATION_INTERVAL = 64 * 1024;
/** Characters of a snapshot compressed together. */
const PIECE = 1024 * 1024;
/** Compressed bytes of a snapshot; one that grows beyond is given up. */
const SNAPSHOT_LIMIT = 512 * 1024 * 1024;

const index = `profiles of this process

profile?seconds=${DEFAULT_SECONDS}   where the processor's time goes (.cpuprofile)
allocs?seconds=${DEFAULT_SECONDS}    who allocates what is then still held (.heapprofile)
heapsnapshot         all of the memory, gzipped (.heapsnapshot.gz); from this machine only, and the process stands still meanwhile
resources            what the event loop is kept by
`;

export function profilePages(): readonly (readonly [string, DebugPage])[] {
  let busy = false;
  const alone =
    (page: DebugPage): DebugPage =>
    async (request) => {
      if (busy) return text(409, 'another profile is being taken; try again when it is done\n');
      busy = true;
      try {
        return await page(request);
      } finally {
        busy = false;
      }
    };
  return [
    ['/debug/pprof', () => ({ ...text(301, ''), headers: { Location: '/debug/pprof/' } })],
    ['/debug/pprof/', () => text(200, index)],
    ['/debug/pprof/resources', () => text(200, resources())],
    ['/debug/pprof/profile', alone((request) => timed(request, cpuProfile))],
    ['/debug/pprof/allocs', alone((request) => timed(request, allocations))],
    ['/debug/pprof/heapsnapshot', alone(snapshot)],
  ];
}

type Post = (method: string, parameters?: object) => Promise<unknown>;

/** Takes a profile while the given wait lasts; resolves with the file's name and content. */
type Profiler = (post: Post, seconds: number, wait: () => Promise<void>) => Promise<readonly [string, unknown]>;

async function timed({ query, signal }: DebugRequest, profiler: Profiler): Promise<DebugAnswer> {
  const seconds = Number(query.get('seconds') ?? DEFAULT_SECONDS);
  if (!(seconds > 0 && seconds <= MAX_SECONDS)) return text(400, `seconds must be a number up to ${MAX_SECONDS}\n`);
  return inSession(async (post) => {
    // A client that goes away ends it early; what was gathered is then for nobody.
    const wait = () => delay(seconds * 1000, undefined, { signal }).catch(() => undefined);
    const [name, content] = await profiler(post, seconds, wait);
    return file(name, 'application/json', JSON.stringify(content));
  });
}

const cpuProfile: Profiler = async (post, seconds, wait) => {
  await post('Profiler.enable');
  const interval = Math.max(1000, Math.ceil((seconds * 1e6) / MAX_SAMPLES));
  await post('Profiler.setSamplingInterval', { interval });
  await post('Profiler.start');
  await wait();
  const { profile } = (await post('Profiler.stop')) as { readonly profile: unknown };
  return ['registry.cpuprofile', profile];
};

const allocations: Profiler = async (post, _seconds, wait) => {
  await post('HeapProfiler.enable');
  await post('HeapProfiler.startSampling', { samplingInterval: ALLOCATION_INTERVAL });
  await wait();
  const { profile } = (await post('HeapProfiler.stopSampling')) as { readonly profile: unknown };
  return ['registry.heapprofile', profile];
};

/**
 * V8 hands out the snapshot in one go, so nobody can be waited for: it is compressed as it comes (to about a tenth), each
 * piece a gzip member of its own, and that is what is held while the client reads.
 */
async function snapshot({ isLocal }: DebugRequest): Promise<DebugAnswer> {
  if (!isLocal) {
    const remedy = 'ask from this machine itself, without a proxy between (kubectl port-forward will do)';
    return text(403, `a snapshot holds all that is in memory, secrets included; ${remedy}\n`);
  }
  const pieces: Buffer[] = [];
  let gathered = '';
  let size = 0;
  const compress = (): void => {
    if (gathered === '' || size > SNAPSHOT_LIMIT) return;
    const piece = gzipSync(gathered, { level: 1 });
    gathered = '';
    size += piece.length;
    pieces.push(piece);
  };
  await inSession(async (post, session) => {
    session.on('HeapProfiler.addHeapSnapshotChunk', ({ params }) => {
      if (size > SNAPSHOT_LIMIT) return;
      gathered += params.chunk;
      if (gathered.length >= PIECE) compress();
    });
    await post('HeapProfiler.takeHeapSnapshot', { reportProgress: false });
  });
  compress();
  if (size > SNAPSHOT_LIMIT) return text(507, 'the snapshot is larger than this server holds for a reader\n');
  return file('registry.heapsnapshot.gz', 'application/gzip', pieces);
}

async function inSession<T>(work: (post: Post, session: Session) => Promise<T>): Promise<T> {
  const session = new Session();
  session.connect();
  const post: Post = (method, parameters = {}) =>
    new Promise((resolve, reject) =>
      session.post(method, parameters, (error, result) => (error ? reject(error) : resolve(result))),
    );
  try {
    return await work(post, session);
  } finally {
    session.disconnect();
  }
}

const file = (name: string, type: string, body: DebugAnswer['body']): DebugAnswer => ({
  status: 200,
  type,
  body,
  headers: { 'Content-Disposition': `attachment; filename="${name}"` },
});

/** `Timeout 3`, one kind a line. */
function resources(): string {
  const counts = new Map<string, number>();
  for (const kind of process.getActiveResourcesInfo()) counts.set(kind, (counts.get(kind) ?? 0) + 1);
  return [...counts].map(([kind, count]) => `${kind} ${count}\n`).join('') || 'nothing\n';
}
