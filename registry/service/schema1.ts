/**
 * Schema 1 manifests as they come and go: the signatures are taken off and checked on a push, and put on again on a pull, those
 * that Distribution up to 2.4 stored beside the revision, or else one of our own. Images of schema 2 are converted for clients
 * that know nothing newer.
 */
import type { Logger } from '../log.ts';
import { type Digest, digestBytes, parseDigest } from '../oci/digest.ts';
import { type Fault, fault } from '../oci/error.ts';
import { type Manifest, mediaTypes } from '../oci/manifest.ts';
import type { RepositoryName, Tag } from '../oci/name.ts';
import { parseSchema1, schema1Faults } from '../oci/schema1.ts';
import { convertToSchema1, emptyTar, emptyTarDigest } from '../oci/schema1-convert.ts';
import type { SigningKey } from '../oci/schema1-key.ts';
import {
  assemble,
  fits,
  flaw,
  parseSigned,
  readSignature,
  type Signature,
  signPayload,
} from '../oci/schema1-signature.ts';
import type { Cancellable, Store } from '../storage/store.ts';
import type { Content } from './content.ts';
import * as keys from './keys.ts';
import { maxManifestSize } from './limits.ts';
import { type Links, link } from './links.ts';
import type { BlobLookup } from './lookup.ts';
import type { StoredManifest } from './manifests.ts';

export interface Schema1Options {
  /** Whether they may be pushed, and schema 2 is converted. Stored ones are always served. */
  readonly enabled: boolean;
  readonly key: SigningKey;
}

export interface Admitted {
  /** What is stored, and named by the digest. */
  readonly payload: Buffer;
  /** What is wrong with it; the layers are not looked for here. */
  readonly faults: readonly Fault[];
}

export interface Schema1Manifests {
  readonly enabled: boolean;
  /** Opens the envelope of a push. Throws MANIFEST_INVALID for what is none, or when pushes are switched off. */
  admit(body: Buffer): Admitted;
  /** The body for a stored payload; a new one each time unless signatures are stored. */
  sign(name: RepositoryName, digest: Digest, payload: Buffer, options: Cancellable): Promise<Buffer>;
  /** The image of a tag in schema 1, signed. Throws MANIFEST_INVALID if that can't be. */
  convert(name: RepositoryName, tag: Tag, manifest: Manifest, options: Cancellable): Promise<StoredManifest>;
}

export interface Schema1Dependencies {
  readonly store: Store;
  readonly links: Links;
  readonly content: Content;
  readonly lookup: BlobLookup;
  readonly options: Schema1Options;
  /** Whether nothing may be written just now. */
  readonly readOnly: () => boolean;
  readonly now: () => Date;
  readonly log: Logger;
}

/** Bytes of a stored signature; a chain of certificates takes a few thousand. */
const maxSignature = 64 * 1024;
/** Stored signatures of one manifest that are looked at. */
const maxSignatures = 16;

export function createSchema1(dependencies: Schema1Dependencies): Schema1Manifests {
  const { store, links, content, lookup, readOnly, now, log } = dependencies;
  const { enabled, key } = dependencies.options;

  async function storedSignature(name: RepositoryName, digest: Digest, entry: string, options: Cancellable) {
    const signature = parseDigest(`sha256:${entry}`);
    if (signature === undefined) return undefined;
    const target = await links.resolve(keys.signatureLink(name, digest, signature), options);
    const bytes = target && (await content.read(target, maxSignature, options));
    try {
      return bytes && readSignature(JSON.parse(bytes.toString()));
    } catch {
      return undefined;
    }
  }

  /** Those that are whole and go with the payload. */
  async function storedSignatures(name: RepositoryName, digest: Digest, payload: Buffer, options: Cancellable) {
    const page = await store.list(keys.signatures(name, digest), { ...options, limit: maxSignatures });
    const found = await Promise.all(
      (page?.entries ?? []).map((entry) => storedSignature(name, digest, entry.name, options)),
    );
    return found.filter((signature): signature is Signature => signature !== undefined && fits(payload, signature));
  }

  const signAnew = (payload: Buffer): Buffer => assemble(payload, [signPayload(payload, key, now())]);

  /** Old clients fetch it as a layer. Where it can't be written they are served it all the same, see `schema1-blobs.ts`. */
  async function provideEmptyTar(name: RepositoryName, { signal }: Cancellable): Promise<void> {
    if (readOnly() || (await lookup(name, emptyTarDigest, { signal, confirm: true })) !== undefined) return;
    const puts = [
      { path: keys.blobData(emptyTarDigest), content: emptyTar },
      link(keys.layerLink(name, emptyTarDigest), emptyTarDigest),
    ];
    try {
      await store.putAll(puts, { signal });
    } catch (error) {
      signal?.throwIfAborted();
      log.warn({ name, reason: (error as Error).message }, 'the empty layer that schema 1 needs was not written');
    }
  }

  return {
    enabled,

    admit(body) {
      if (!enabled) {
        throw fault(
          'MANIFEST_INVALID',
          'schema 1 manifests are not accepted (compatibility.schema1.enabled); any other needs its Content-Type',
        );
      }
      const signed = parseSigned(body);
      const faults = [...schema1Faults(parseSchema1(signed.payload))];
      const unverified = flaw(signed);
      if (unverified !== undefined) faults.push({ code: 'MANIFEST_UNVERIFIED', message: unverified });
      return { payload: signed.payload, faults };
    },

    async sign(name, digest, payload, options) {
      const stored = await storedSignatures(name, digest, payload, options);
      return stored.length > 0 ? assemble(payload, stored) : signAnew(payload);
    },

    async convert(name, tag, manifest, { signal }) {
      const digest = parseDigest(manifest.config?.digest ?? '');
      const blob = digest && (await lookup(name, digest, { signal, confirm: false }));
      const config = blob && (await content.read(blob.stored, maxManifestSize, { signal }));
      if (config === undefined) {
        throw fault(
          'MANIFEST_INVALID',
          'the image cannot be converted for this client: its configuration is missing',
          digest,
        );
      }
      const { payload, usesEmptyTar } = convertToSchema1(name, tag, manifest, config);
      if (usesEmptyTar) await provideEmptyTar(name, { signal });
      return { digest: digestBytes('sha256', payload), mediaType: mediaTypes.schema1, bytes: signAnew(payload) };
    },
  };
}
