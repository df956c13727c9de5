/**
 * Makes a schema 1 manifest of a Docker schema 2 image, for clients that know nothing newer. The result is, byte for byte, what
 * Distribution 2.x makes, so that either gives an image the same digest. Identifiers of the old kind, which schema 2 has no
 * more, are hashes over a layer and those below it.
 */
import { createHash } from 'node:crypto';
import { canonical, digestBytes } from './digest.ts';
import { fault, type RegistryError } from './error.ts';
import { goJson, members } from './go-json.ts';
import { excessIn } from './json-bounds.ts';
import type { Manifest } from './manifest.ts';

/** 1024 zero bytes, gzipped: what stands for a step that changed no file. */
export const emptyTar = Buffer.from('H4sIAAAJbogA/2IYBaNgFIxYAAgAAP//Lq+17wAEAAA=', 'base64');
export const emptyTarDigest = digestBytes(canonical, emptyTar);

export interface Conversion {
  /** Not signed yet. */
  readonly payload: Buffer;
  /** Whether one of its layers is `emptyTar`, which then has to be in the repository. */
  readonly usesEmptyTar: boolean;
}

interface Step {
  readonly created: string;
  readonly createdBy: string;
  readonly comment: string;
  readonly author: string;
  readonly isEmpty: boolean;
}

type Json = Readonly<Record<string, unknown>>;

const isObject = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const impossible = (why: string): RegistryError =>
  fault('MANIFEST_INVALID', `the image cannot be converted to schema 1 for this client: ${why}`);

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');
const encoded = (digest: string): string => digest.slice(digest.indexOf(':') + 1);

/** `config` is the image's configuration. Throws MANIFEST_INVALID if it cannot be done. */
export function convertToSchema1(name: string, tag: string, manifest: Manifest, config: Buffer): Conversion {
  const configText = config.toString('utf8');
  const image = parseConfig(config, configText);
  const steps = stepsOf(image['history']);
  const rootfs = isObject(image['rootfs']) ? image['rootfs'] : {};
  const diffIds = Array.isArray(rootfs['diff_ids']) ? rootfs['diff_ids'] : [];
  if (diffIds.length !== manifest.layers.length) throw impossible('its layers and diff_ids are not equally many');
  const rest = manifest.layers.map(({ digest }) => digest).values();
  const blobs = steps.map(({ isEmpty }) => {
    if (isEmpty) return emptyTarDigest;
    const { value } = rest.next();
    if (value === undefined) throw impossible('its history has more steps with files than it has layers');
    return value;
  });

  const history: string[] = [];
  let parent = '';
  for (const [position, step] of steps.slice(0, -1).entries()) {
    const id = sha256(`${encoded(blobs[position] ?? '')} ${parent}`);
    if (position === 0) parent = baseOf(rootfs) ?? parent;
    history.unshift(goJson(ancestor(id, parent, step)));
    parent = id;
  }
  const top = blobs.at(-1) ?? '';
  const id = sha256(`${encoded(top)} ${parent} ${configText}`);
  history.unshift(topmost(configText, id, parent, steps.at(-1)?.isEmpty === true));
  const payload = goJson(
    {
      schemaVersion: 1,
      name,
      tag,
      architecture: text(image['architecture']),
      fsLayers: blobs.toReversed().map((blobSum) => ({ blobSum })),
      history: history.map((v1Compatibility) => ({ v1Compatibility })),
    },
    3,
  );
  return { payload: Buffer.from(payload), usesEmptyTar: blobs.includes(emptyTarDigest) };
}

function parseConfig(config: Buffer, configText: string): Json {
  const excess = excessIn(config);
  if (excess !== undefined) throw impossible(`its configuration has ${excess}`);
  let image: unknown;
  try {
    image = JSON.parse(configText);
  } catch {
    throw impossible('its configuration is not JSON');
  }
  if (!isObject(image)) throw impossible('its configuration is not a JSON object');
  return image;
}

const text = (value: unknown): string => {
  if (value === undefined || value === null) return '';
  if (typeof value !== 'string') throw impossible('its configuration is not that of an image');
  return value;
};

function stepsOf(history: unknown): readonly Step[] {
  if (!Array.isArray(history) || history.length === 0) throw impossible('its history is empty');
  return history.map((entry: unknown) => {
    const step = isObject(entry) ? entry : {};
    return {
      created: goTime(step['created']),
      createdBy: text(step['created_by']),
      comment: text(step['comment']),
      author: text(step['author']),
      isEmpty: step['empty_layer'] === true,
    };
  });
}

/** As Go writes a time that it has read: fractions without trailing zeros, UTC as `Z`; none is the year 1. */
function goTime(value: unknown): string {
  if (value === undefined || value === null) return '0001-01-01T00:00:00Z';
  const [, seconds, fraction = '', zone = ''] =
    /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:[.,](\d+))?(Z|[+-]\d\d:\d\d)$/.exec(String(value)) ?? [];
  if (seconds === undefined) throw impossible('its history has a malformed date');
  const digits = fraction.slice(0, 9).replace(/0+$/, '');
  return `${seconds}${digits === '' ? '' : `.${digits}`}${/^[+-]00:00$/.test(zone) ? 'Z' : zone}`;
}

/** What the first layer of an image of Windows stands on: its name, hashed. */
function baseOf(rootfs: Json): string | undefined {
  const base = text(rootfs['base_layer']);
  return base === '' ? undefined : createHash('sha384').update(base).digest('hex').slice(0, 64);
}

/** Made up, so that the number of steps is right; nobody could run it. Members without a value are left out. */
const ancestor = (id: string, parent: string, step: Step): Json => ({
  id,
  ...(parent === '' ? {} : { parent }),
  ...(step.comment === '' ? {} : { comment: step.comment }),
  created: step.created,
  container_config: { Cmd: [step.createdBy] },
  ...(step.author === '' ? {} : { author: step.author }),
  ...(step.isEmpty ? { throwaway: true } : {}),
});

/** The configuration itself, without what schema 1 does not know, its members in the order of their names. */
function topmost(configText: string, id: string, parent: string, isEmpty: boolean): string {
  const found = members(configText.trim());
  found.delete('rootfs');
  found.delete('history');
  found.set('id', goJson(id));
  if (parent !== '') found.set('parent', goJson(parent));
  if (isEmpty) found.set('throwaway', 'true');
  const sorted = [...found].sort(([a], [b]) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
  return `{${sorted.map(([key, value]) => `${goJson(key)}:${value}`).join(',')}}`;
}
