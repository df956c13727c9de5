import { readFile } from 'node:fs/promises';
import {
  boolYaml11Tag,
  CORE_SCHEMA,
  floatYaml11Tag,
  intYaml11Tag,
  loadAll,
  mergeTag,
  nullYaml11Tag,
  YAMLException,
} from 'js-yaml';
import { resolve } from '../api/resolve.ts';
import type { Resolved } from '../api/resolved.ts';
import { readRegistrySchema } from '../api/schema.ts';
import type { Registry } from '../api/types.ts';
import { createValidator } from '../api/validate.ts';
import { OperatorError } from '../error.ts';
import type { Io } from './io.ts';

/** YAML 1.1 as kubectl reads it: `yes` is true, but a date stays text. */
const KUBERNETES_YAML = CORE_SCHEMA.withTags(boolYaml11Tag, floatYaml11Tag, intYaml11Tag, mergeTag, nullYaml11Tag);

/** A Registry of a file, ready to be rendered. */
export interface LocalRegistry {
  readonly registry: Registry;
  readonly resolved: Resolved;
}

/**
 * The Registries of a file (`-`: standard input), checked and resolved. Documents of other kinds are passed over with a note on
 * standard error.
 *
 * @param namespace for Registries that name none; `undefined` stands for `default`
 * @throws OperatorError `config` with every problem of every Registry
 * @throws OperatorError `usage` for a file that cannot be read or holds no Registry, and for a contradictory namespace
 */
export async function readRegistries(file: string, namespace: string | undefined, io: Io): Promise<LocalRegistry[]> {
  const documents = parse(file, await text(file, io));
  const validate = createValidator(readRegistrySchema());
  const refused: string[] = [];
  const read: LocalRegistry[] = [];
  for (const document of documents) {
    const place = `${label(file)}: ${describe(document)}`;
    if ((document as { kind?: unknown } | null)?.kind !== 'Registry') {
      io.stderr.write(`${place} is no Registry, passed over\n`);
      continue;
    }
    const validation = validate(document);
    if ('problems' in validation) {
      refused.push(...validation.problems.map(({ path, message }) => line(place, path, message)));
      continue;
    }
    const registry = inNamespace(validation.registry, namespace, place);
    const resolution = resolve(registry, { operatorImage: io.operatorImage });
    if ('resolved' in resolution) read.push({ registry, resolved: resolution.resolved });
    else refused.push(...resolution.faults.map(({ path, message }) => line(place, path, message)));
  }
  if (refused.length > 0) throw new OperatorError('config', refused.join('\n'));
  if (read.length === 0) throw new OperatorError('usage', `${label(file)} holds no Registry`);
  return read;
}

function inNamespace(registry: Registry, namespace: string | undefined, place: string): Registry {
  const own = registry.metadata.namespace;
  if (own !== undefined && namespace !== undefined && own !== namespace) {
    throw new OperatorError('usage', `${place} is in the namespace ${own}, but -n says ${namespace}`);
  }
  const { uid: _, ...metadata } = registry.metadata; // a uid of some cluster: its owner references are of no use elsewhere
  return { ...registry, metadata: { ...metadata, namespace: own ?? namespace ?? 'default' } };
}

async function text(file: string, io: Io): Promise<string> {
  if (file !== '-') {
    return readFile(file, { encoding: 'utf8', signal: io.signal }).catch((error: NodeJS.ErrnoException) => {
      throw new OperatorError(
        'usage',
        `cannot read ${file}: ${error.code === 'ENOENT' ? 'there is no such file' : error.message}`,
      );
    });
  }
  const chunks: Buffer[] = [];
  for await (const chunk of io.stdin) chunks.push(Buffer.from(chunk));
  return Buffer.concat(chunks).toString('utf8');
}

function parse(file: string, yaml: string): unknown[] {
  try {
    return loadAll(yaml, { schema: KUBERNETES_YAML }).filter((document) => document !== null && document !== undefined);
  } catch (error) {
    if (error instanceof YAMLException) throw new OperatorError('usage', `${label(file)} is no YAML: ${error.message}`);
    throw error;
  }
}

function describe(document: unknown): string {
  const { kind, metadata } = (document ?? {}) as { kind?: unknown; metadata?: { name?: unknown } | null };
  return `${typeof kind === 'string' ? kind : 'a document'} ${metadata?.name ?? 'without a name'}`;
}

function line(place: string, path: string, message: string): string {
  return path === '' ? `${place}: ${message}` : `${place}: ${path}: ${message}`;
}

function label(file: string): string {
  return file === '-' ? 'standard input' : file;
}
