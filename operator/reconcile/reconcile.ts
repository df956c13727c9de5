import { isDeepStrictEqual } from 'node:util';
import { dataClaimName } from '../api/names.ts';
import { references, resolve } from '../api/resolve.ts';
import type { Inputs, Resolved } from '../api/resolved.ts';
import type { Registry, RegistryStatus } from '../api/types.ts';
import { type Outcome, settled } from '../controller/outcome.ts';
import { isOperatorError } from '../error.ts';
import { apply } from '../kube/apply.ts';
import type { Client } from '../kube/client.ts';
import type { EventRecorder } from '../kube/events.ts';
import { keyOf } from '../kube/object.ts';
import { resources } from '../kube/resources.ts';
import { render } from '../render/render.ts';
import { createChildren, type Ensured } from './children.ts';
import { FINALIZER, finish, needsFinalizer, ownedClaims, releaseClaim, setFinalizer } from './claims.ts';
import { createHttpSecrets } from './httpsecret.ts';
import { corrected, farewell, pruned, transitions } from './notices.ts';
import { prune } from './prune.ts';
import { createReferences } from './references.ts';
import { type Obstacle, statusOf, unmanagedStatus } from './status.ts';
import type { Watches } from './watches.ts';

export interface ReconcilerOptions {
  client: Client;
  watches: Watches;
  events: EventRecorder;
  /** The image of the operator itself; empty if it was not told. */
  operatorImage: string;
  now: () => Date;
  /** A fresh key for upload states. */
  randomSecret: () => string;
}

/** The answer to a question is on its way with a watch, which then wakes the Registry; this is for the case that it does not come. */
const soon: Outcome = { fate: 'again', afterMs: 5000 };

/** What keeps a child from being applied, with the error that it met, if it was one. */
type Met = Obstacle & { readonly error?: Error };

/**
 * Brings one Registry to what its resource says. Each call looks at the whole state and needs nothing from the call before, so that it may
 * end anywhere and start again. It reads from the watches and sends a request only where something differs.
 */
export function createReconciler(options: ReconcilerOptions) {
  const { client, watches, events, operatorImage, now } = options;
  const children = createChildren({ client, watches });
  const content = createReferences({ client, watches });
  const ensureHttpSecret = createHttpSecrets({ client, watches, random: options.randomSecret });

  return async function reconcile(key: string, { signal }: { signal: AbortSignal }): Promise<Outcome> {
    const registry = watches.registry(key);
    try {
      if (registry === undefined) {
        watches.dependsOn(key, []);
        return settled;
      }
      if (registry.metadata.deletionTimestamp !== undefined) return await end(registry, signal);
      if (registry.spec.managementPolicy === 'Unmanaged') {
        watches.dependsOn(key, []);
        await report(registry, unmanagedStatus(registry, now()), signal);
        return settled;
      }
      return await bring(key, registry, signal);
    } catch (error) {
      if (!isOperatorError(error)) throw error;
      return { fate: 'failed', error, afterMs: error.retryAfterMs };
    }
  };

  async function bring(key: string, registry: Registry, signal: AbortSignal): Promise<Outcome> {
    const paused = registry.spec.managementPolicy === 'Paused';
    watches.dependsOn(key, dependencies(registry));
    // The key of upload states is part of what is hashed: it has to be there before anything is rendered.
    if (!paused && (await ensureHttpSecret(registry, signal)) === 'pending') return soon;
    const inputs = await look(registry, signal);
    if (inputs === 'pending') return soon;
    const resolution = resolve(registry, inputs);
    if ('resolved' in resolution && !paused) return await act(key, registry, resolution.resolved, signal);
    const differing = 'resolved' in resolution ? wouldChange(resolution.resolved) : [];
    const situation = { ...observe(key, registry), resolution, obstacles: [], paused: paused ? differing : undefined };
    await report(registry, statusOf(situation), signal);
    return 'faults' in resolution ? { fate: 'stalled', reason: resolution.faults[0]?.reason ?? '' } : settled;
  }

  async function act(key: string, registry: Registry, resolved: Resolved, signal: AbortSignal): Promise<Outcome> {
    const held = await setFinalizer({ client, watches }, registry, needsFinalizer(registry), signal);
    const current = held ? (watches.registry(key) ?? registry) : registry;
    const obstacles = await applyAll(current, resolved, signal);
    if (obstacles.length === 0) {
      const deleted = await prune({ client, watches }, current, render(resolved), signal);
      if (deleted.length > 0) events.record(current, pruned(deleted));
      await release(current, signal);
    }
    const situation = { ...observe(key, current), resolution: { resolved }, obstacles, paused: undefined };
    await report(current, statusOf(situation), signal);
    return fateOf(obstacles);
  }

  /** The children in their order. A Service that cannot be had keeps nothing else back; anything else does, since Pods need it. */
  async function applyAll(registry: Registry, resolved: Resolved, signal: AbortSignal): Promise<Met[]> {
    const obstacles: Met[] = [];
    for (const child of render(resolved)) {
      const name = `${child.kind} ${child.metadata.name}`;
      const ensured = await children.ensure(registry, child, signal);
      if (ensured.fate === 'there') {
        if (ensured.wrote === 'corrected') events.record(registry, corrected(name, ensured.fields));
        continue;
      }
      obstacles.push(obstacleOf(ensured));
      if (child.kind !== resources.service.kind) break;
    }
    return obstacles;
  }

  /** Under deletionPolicy Retain no claim belongs to the Registry, not even one that is no longer rendered. */
  async function release(registry: Registry, signal: AbortSignal): Promise<void> {
    if (registry.spec.deletionPolicy === 'Delete') return;
    for (const claim of ownedClaims({ watches }, registry))
      await releaseClaim({ client, watches }, registry, claim, signal);
  }

  async function end(registry: Registry, signal: AbortSignal): Promise<Outcome> {
    if (!registry.metadata.finalizers?.includes(FINALIZER)) return settled;
    for (const notice of farewell(await finish({ client, watches }, registry, signal))) events.record(registry, notice);
    return settled;
  }

  async function look(registry: Registry, signal: AbortSignal): Promise<Inputs | 'pending'> {
    const { namespace = 'default' } = registry.metadata;
    const referenced = await content.hashes(namespace, references(registry), signal);
    if (referenced === 'pending') return 'pending';
    const name = registry.spec.storage.persistentVolume?.claimName;
    if (name === undefined) return { operatorImage, referenced };
    const claim = watches.claim(keyOf({ metadata: { namespace, name } }));
    const { accessModes = [] } = (claim?.spec ?? {}) as { accessModes?: string[] };
    return { operatorImage, referenced, claim: claim === undefined ? null : { accessModes } };
  }

  function observe(key: string, registry: Registry) {
    const { namespace, name } = registry.metadata;
    const mine = watches.children(key);
    const claimName = registry.spec.storage.persistentVolume?.claimName;
    return {
      registry,
      deployment: watches.child(resources.deployment.kind, key),
      services: mine.filter(({ kind }) => kind === resources.service.kind),
      claim: watches.claim(keyOf({ metadata: { namespace, name: claimName ?? dataClaimName(name) } })),
      pods: watches.pods(key),
      now: now(),
    };
  }

  function wouldChange(resolved: Resolved): string[] {
    return render(resolved)
      .filter((child) => children.differs(child))
      .map(({ kind, metadata }) => `${kind} ${metadata.name}`);
  }

  /** Writes the status, if it says anything new. */
  async function report(registry: Registry, status: RegistryStatus, signal: AbortSignal): Promise<void> {
    const plain = JSON.parse(JSON.stringify(status)) as RegistryStatus;
    if (isDeepStrictEqual(plain, registry.status)) return;
    const { namespace, name, uid } = registry.metadata;
    const object = {
      apiVersion: resources.registry.apiVersion,
      kind: resources.registry.kind,
      metadata: { name, ...(namespace === undefined ? {} : { namespace }), ...(uid === undefined ? {} : { uid }) },
      status: plain,
    };
    watches.written(await apply(client, resources.registry, object, { force: true, subresource: 'status', signal }));
    for (const notice of transitions(registry.status, plain)) events.record(registry, notice);
  }
}

function obstacleOf(ensured: Exclude<Ensured, { fate: 'there' }>): Met {
  switch (ensured.fate) {
    case 'refused':
      return { reason: 'ApplyRefused', message: ensured.error.message, error: ensured.error };
    case 'failing':
      return { reason: 'ApplyFailed', message: ensured.error.message, error: ensured.error };
    case 'taken':
      return { reason: 'NameTaken', message: ensured.message };
    case 'waiting':
      return { reason: 'WaitingForDeletion', message: ensured.message };
  }
}

/** What the Registry depends on beside its children, as `Kind/key`. */
function dependencies(registry: Registry): string[] {
  const { namespace } = registry.metadata;
  const named = references(registry).map(({ kind, name }) => `${kind}/${keyOf({ metadata: { namespace, name } })}`);
  const claim = registry.spec.storage.persistentVolume?.claimName;
  if (claim !== undefined) named.push(`${resources.claim.kind}/${keyOf({ metadata: { namespace, name: claim } })}`);
  return named;
}

/** Nobody tells when a name becomes free or a refusal would end, so that both are tried again; the status says what is wrong meanwhile. */
function fateOf(obstacles: readonly Met[]): Outcome {
  const error = obstacles.find((one) => one.error !== undefined)?.error;
  if (error !== undefined) return { fate: 'failed', error };
  if (obstacles.length === 0) return settled;
  return { fate: 'again', afterMs: obstacles.some(({ reason }) => reason === 'NameTaken') ? 60_000 : 10_000 };
}
