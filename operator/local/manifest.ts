import { dump } from 'js-yaml';
import { httpSecretName } from '../api/names.ts';
import type { Resolved } from '../api/resolved.ts';
import type { KubernetesObject } from '../render/object.ts';
import { render } from '../render/render.ts';

/**
 * The children of a Registry for people to read and to keep in git: what the operator applies, with the configuration as
 * text (`stringData`) instead of base64.
 */
export function printable(resolved: Resolved): KubernetesObject[] {
  return render(resolved).map(({ data, ...object }) => {
    if (object.kind !== 'Secret') return data === undefined ? object : { ...object, data };
    const texts = Object.entries(data as Record<string, string>).map(([key, value]) => [
      key,
      Buffer.from(value, 'base64').toString('utf8'),
    ]);
    return { ...object, stringData: Object.fromEntries(texts) };
  });
}

/** The same as YAML documents, headed by what is not among them. */
export function manifest(resolved: Resolved): string {
  const documents = printable(resolved).map((object) => dump(object, { lineWidth: -1, noRefs: true }));
  return head(resolved) + documents.join('---\n');
}

/** A comment that says what the operator makes besides. */
export function head({ name, namespace, http }: Resolved): string {
  const lines = [`Registry ${name} in the namespace ${namespace}`];
  if (http.secret.name === httpSecretName(name)) {
    lines.push(
      `The operator makes the Secret ${http.secret.name} once, with a random key. Without the operator, before the rest:`,
      `kubectl -n ${namespace} create secret generic ${http.secret.name} --from-literal=${http.secret.key}="$(openssl rand -hex 32)"`,
    );
  }
  return lines.map((line) => `# ${line}\n`).join('');
}
