/**
 * What a registry may hold after a crash, seen from its clients: an operation that was answered has happened, one whose
 * answer never came has happened or not, and nothing else has.
 */
import assert from 'node:assert/strict';
import type { PushClient, Reply } from '../support/push-client.ts';

export type Kind = 'blob' | 'manifest' | 'tag';

/** One thing that clients can see. `id` is a digest, or a tag. */
export interface Thing {
  readonly kind: Kind;
  readonly name: string;
  readonly id: string;
}

/** A digest, or `undefined` for absence. */
export type State = string | undefined;
export type Change = readonly [thing: Thing, state: State];

export interface Journal {
  /** Does `work`, after which the changes are certain; if it fails because the server died, they are possible. */
  attempt<T>(changes: readonly Change[], work: () => Promise<T>): Promise<T>;
  /** The state, if it is certain. */
  certain(thing: Thing): State;
  /** Things of a kind that are certainly there. */
  present(kind: Kind): readonly Thing[];
  /** Compares everything that changed since the last time, and a part of the rest, with what the registry shows. */
  verify(client: PushClient, options: { readonly all: boolean }): Promise<number>;
}

interface Entry {
  readonly thing: Thing;
  possible: Set<State>;
  /** Whether it was changed, or attempted to, since it was last looked at. */
  touched: boolean;
}

/** Things looked at together. */
const width = 8;

/** `sample` decides which of the untouched things are looked at again. */
export function createJournal(sample: () => boolean): Journal {
  const entries = new Map<string, Entry>();

  function entryOf(thing: Thing): Entry {
    const key = `${thing.kind} ${thing.name} ${thing.id}`;
    let entry = entries.get(key);
    if (entry === undefined) {
      entry = { thing, possible: new Set([undefined]), touched: true };
      entries.set(key, entry);
    }
    return entry;
  }

  const isPresent = ({ possible }: Entry): boolean => possible.size === 1 && !possible.has(undefined);

  async function verifyTags(client: PushClient): Promise<void> {
    const names = new Set([...entries.values()].map(({ thing }) => thing.name));
    for (const name of names) {
      const own = [...entries.values()].filter(({ thing }) => thing.name === name);
      const reply = await client.expect([200, 404], 'GET', `/v2/${name}/tags/list`);
      const listed = reply.status === 404 ? [] : ((JSON.parse(reply.body.toString()) as { tags: string[] }).tags ?? []);
      const certain = own
        .filter((entry) => entry.thing.kind === 'tag' && isPresent(entry))
        .map(({ thing }) => thing.id);
      assert.deepEqual([...listed].sort(), certain.sort(), `tags of ${name}`);
    }
    const listed = await client.catalog();
    const withManifests = new Set(
      [...entries.values()]
        .filter((entry) => entry.thing.kind === 'manifest' && isPresent(entry))
        .map(({ thing }) => thing.name),
    );
    assert.deepEqual(
      [...withManifests].filter((name) => !listed.includes(name)),
      [],
      'missing from the catalog',
    );
    assert.deepEqual(
      listed.filter((name) => !names.has(name)),
      [],
      'unknown in the catalog',
    );
    assert.equal(new Set(listed).size, listed.length, 'the catalog names none twice');
  }

  return {
    async attempt(changes, work) {
      for (const [thing, state] of changes) {
        const entry = entryOf(thing);
        entry.possible.add(state);
        entry.touched = true;
      }
      const result = await work();
      for (const [thing, state] of changes) entryOf(thing).possible = new Set([state]);
      return result;
    },

    certain(thing) {
      const entry = entryOf(thing);
      return entry.possible.size === 1 ? [...entry.possible][0] : undefined;
    },

    present: (kind) =>
      [...entries.values()].filter((entry) => entry.thing.kind === kind && isPresent(entry)).map(({ thing }) => thing),

    async verify(client, { all }) {
      const wanted = [...entries.values()].filter((entry) => all || entry.touched || sample());
      const rest = wanted.values();
      const worker = async (): Promise<void> => {
        for (const entry of rest) {
          const found = await look(client, entry.thing);
          assert.ok(
            entry.possible.has(found),
            `${entry.thing.kind} ${entry.thing.name} ${entry.thing.id} is ${found ?? 'absent'} and may only be ${[...entry.possible].map((state) => state ?? 'absent').join(' or ')}`,
          );
          // What was seen once after a crash must stay so.
          entry.possible = new Set([found]);
          entry.touched = false;
        }
      };
      await Promise.all(Array.from({ length: width }, worker));
      await verifyTags(client);
      return wanted.length;
    },
  };
}

/** The digest of what is really there, computed from its bytes; HEAD and GET have to agree. */
async function look(client: PushClient, { kind, name, id }: Thing): Promise<State> {
  const path = kind === 'blob' ? `/v2/${name}/blobs/${id}` : `/v2/${name}/manifests/${id}`;
  const head: Reply = await client.expect([200, 404], 'HEAD', path);
  if (head.status === 404) {
    await client.expect(404, 'GET', path);
    return undefined;
  }
  if (kind === 'blob') {
    const bytes = await client.pullBlob(name, id);
    assert.equal(head.headers['content-length'], String(bytes.length), `${path}: HEAD tells the size`);
    return id;
  }
  const { digest } = await client.pullManifest(name, id);
  if (kind === 'manifest') assert.equal(digest, id, `${path}: a digest gives its own manifest`);
  return digest;
}
