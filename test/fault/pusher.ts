/** One client that pushes, tags, mounts and deletes at random, and tells a journal what it was answered. */

import {
  digestOf,
  imageManifest,
  type PushClient,
  types,
  UnexpectedStatus,
  type Way,
  ways,
} from '../support/push-client.ts';
import type { Chance } from '../support/push-client-random.ts';
import type { Change, Journal, Thing } from './journal.ts';

/** An upload that was begun, and of which so many bytes are certainly stored. */
export interface Unfinished {
  readonly name: string;
  /** Path and query of the last Location. */
  readonly location: string;
  readonly bytes: Buffer;
  readonly acknowledged: number;
}

export interface Pusher {
  /** Works until the server is gone. Throws what is no fault of a dying server. */
  run(client: PushClient): Promise<void>;
  /** Manifests whose push was begun. */
  readonly pushes: number;
  readonly unfinished: Unfinished[];
}

export interface PusherOptions {
  /** Tags of its own begin with it; so each tag has one writer, and its history is a line. */
  readonly id: string;
  readonly names: readonly [string, ...string[]];
  /** Pushed by everybody, into every repository. */
  readonly common: readonly [Buffer, ...Buffer[]];
  readonly largest: number;
  readonly chance: Chance;
  readonly journal: Journal;
}

const blob = (name: string, id: string): Thing => ({ kind: 'blob', name, id });
const manifestThing = (name: string, id: string): Thing => ({ kind: 'manifest', name, id });
const tagThing = (name: string, id: string): Thing => ({ kind: 'tag', name, id });

export function createPusher({ id, names, common, largest, chance, journal }: PusherOptions): Pusher {
  const unfinished: Unfinished[] = [];
  /** Manifests of its own, by repository: descriptors for indexes, and where the tags point. */
  const manifests = new Map<string, { digest: string; size: number; mediaType: string; bytes: Buffer }[]>();
  /** Blobs that no manifest names, to be deleted, and blobs that stay, to be mounted: all of them this client's alone. */
  const loose: Thing[] = [];
  const lasting: Thing[] = [];
  let pushes = 0;

  const ownTags = ['a', 'b', 'c'].map((tag) => `${id}-${tag}`) as [string, ...string[]];

  async function pushBlob(client: PushClient, name: string, bytes: Buffer): Promise<{ digest: string; size: number }> {
    const digest = digestOf(bytes);
    await journal.attempt([[blob(name, digest), digest]], () => client.pushBlob(name, bytes, chance.pick<Way>(ways)));
    return { digest, size: bytes.length };
  }

  async function putManifest(client: PushClient, name: string, manifest: object, mediaType: string): Promise<void> {
    const bytes = Buffer.from(JSON.stringify(manifest));
    const digest = digestOf(bytes);
    const tag = chance.integer(4) === 0 ? undefined : chance.pick(ownTags);
    const changes: Change[] = [[manifestThing(name, digest), digest]];
    if (tag !== undefined) changes.push([tagThing(name, tag), digest]);
    pushes++;
    await journal.attempt(changes, () => client.pushManifest(name, tag ?? digest, manifest, mediaType));
    manifests.set(name, [...(manifests.get(name) ?? []), { digest, size: bytes.length, mediaType, bytes }]);
  }

  async function pushImage(client: PushClient, name: string): Promise<void> {
    const own = Buffer.concat([chance.bytes(16), chance.bytes(chance.size(largest))]);
    const shared = common.filter(() => chance.integer(3) === 0);
    const config = Buffer.from(
      JSON.stringify({ architecture: 'amd64', os: 'linux', made: chance.bytes(8).toString('hex') }),
    );
    const all = [config, own, ...shared];
    const [head, ...layers] = await Promise.all(all.map((bytes) => pushBlob(client, name, bytes)));
    lasting.push(blob(name, digestOf(own)));
    if (head) await putManifest(client, name, imageManifest(head, layers), types.manifest);
  }

  async function pushIndex(client: PushClient, name: string): Promise<void> {
    const children = (manifests.get(name) ?? []).filter(({ digest }) => journal.certain(manifestThing(name, digest)));
    if (children.length === 0) return pushImage(client, name);
    const list = children.slice(-2).map(({ digest, size, mediaType }) => ({ digest, size, mediaType }));
    const annotations = { made: chance.bytes(8).toString('hex') };
    await putManifest(
      client,
      name,
      { schemaVersion: 2, mediaType: types.index, manifests: list, annotations },
      types.index,
    );
  }

  /** Something that was deleted, pushed anew. */
  async function pushAgain(client: PushClient, name: string): Promise<void> {
    const gone = (manifests.get(name) ?? []).find(
      ({ digest, mediaType }) =>
        mediaType === types.manifest && journal.certain(manifestThing(name, digest)) === undefined,
    );
    if (gone === undefined) return pushImage(client, name);
    const manifest = JSON.parse(gone.bytes.toString()) as object;
    pushes++;
    await journal.attempt([[manifestThing(name, gone.digest), gone.digest]], () =>
      client.pushManifest(name, gone.digest, manifest),
    );
  }

  async function pushLoose(client: PushClient, name: string): Promise<void> {
    const { digest } = await pushBlob(
      client,
      name,
      Buffer.concat([chance.bytes(16), chance.bytes(chance.size(largest))]),
    );
    loose.push(blob(name, digest));
  }

  async function mount(client: PushClient, name: string): Promise<void> {
    const source = lasting[chance.integer(lasting.length)];
    if (source === undefined) return;
    await journal.attempt([[blob(name, source.id), source.id]], async () => {
      const path = `/v2/${name}/blobs/uploads/?mount=${source.id}&from=${source.name}`;
      await client.expect(201, 'POST', path);
    });
  }

  async function deleteTag(client: PushClient, name: string): Promise<void> {
    const tag = tagThing(name, chance.pick(ownTags));
    if (journal.certain(tag) === undefined) return;
    await journal.attempt([[tag, undefined]], () => client.expect(202, 'DELETE', `/v2/${name}/manifests/${tag.id}`));
  }

  async function deleteManifest(client: PushClient, name: string): Promise<void> {
    const own = (manifests.get(name) ?? []).filter(
      ({ digest }) => journal.certain(manifestThing(name, digest)) !== undefined,
    );
    const [first, ...others] = own;
    if (first === undefined) return;
    const { digest } = chance.pick([first, ...others]);
    const tags = ownTags.map((tag) => tagThing(name, tag)).filter((tag) => journal.certain(tag) === digest);
    const changes: Change[] = [manifestThing(name, digest), ...tags].map((thing) => [thing, undefined]);
    await journal.attempt(changes, () => client.expect(202, 'DELETE', `/v2/${name}/manifests/${digest}`));
  }

  async function deleteLoose(client: PushClient): Promise<void> {
    const thing = loose.find((candidate) => journal.certain(candidate) !== undefined);
    if (thing === undefined) return;
    await journal.attempt([[thing, undefined]], () =>
      client.expect(202, 'DELETE', `/v2/${thing.name}/blobs/${thing.id}`),
    );
  }

  /** Begins an upload and leaves it, with or without the crash. */
  async function leave(client: PushClient, name: string): Promise<void> {
    const bytes = Buffer.concat([chance.bytes(100), chance.bytes(chance.size(largest))]);
    const half = Math.floor(bytes.length / 2);
    let location = pathOf(await client.beginUpload(name));
    const upload = (acknowledged: number): Unfinished => ({ name, location, bytes, acknowledged });
    const at = unfinished.push(upload(0)) - 1;
    location = pathOf(await client.append(location, bytes.subarray(0, half), 0));
    unfinished[at] = upload(half);
    location = pathOf(await client.append(location, bytes.subarray(half, -1), half));
    unfinished[at] = upload(bytes.length - 1);
  }

  const deeds = [
    pushImage,
    pushImage,
    pushImage,
    pushImage,
    pushIndex,
    pushAgain,
    pushLoose,
    mount,
    deleteTag,
    deleteManifest,
    deleteLoose,
    leave,
  ] as const;

  return {
    unfinished,
    get pushes() {
      return pushes;
    },
    async run(client) {
      for (;;) {
        try {
          await chance.pick([...deeds])(client, chance.pick(names as [string, ...string[]]));
        } catch (error) {
          // A broken connection is what a crash looks like; an answer that was not expected is a fault.
          if (error instanceof UnexpectedStatus) throw error;
          return;
        }
      }
    },
  };
}

export const pathOf = (location: string): string => {
  const { pathname, search } = new URL(location, 'http://localhost');
  return pathname + search;
};
