import { isIP } from 'node:net';
import { Environment } from '@marcbachmann/cel-js';
import { amount } from './quantity.ts';

/** A value of Kubernetes' CEL type for quantities. */
class Quantity {
  readonly amount: number;
  constructor(text: string) {
    this.amount = amount(text) ?? Number.NaN;
  }
}

/**
 * Compiles a rule of the resource's schema: CEL with those functions of Kubernetes' libraries that the rules use. Evaluating
 * throws where the API server would report an error of the rule.
 */
export function compileRule(rule: string): (self: unknown) => boolean {
  const evaluate = environment.parse(rule);
  return (self) => evaluate({ self: celValue(self) }) === true;
}

const environment = new Environment({ unlistedVariablesAreDyn: true })
  .registerType('kubernetes.Quantity', Quantity)
  .registerFunction('isQuantity(string): bool', (text: string) => amount(text) !== undefined)
  .registerFunction('quantity(string): kubernetes.Quantity', (text: string) => new Quantity(text))
  .registerFunction(
    'kubernetes.Quantity.isGreaterThan(kubernetes.Quantity): bool',
    (a: Quantity, b: Quantity) => a.amount > b.amount,
  )
  .registerFunction(
    'kubernetes.Quantity.isLessThan(kubernetes.Quantity): bool',
    (a: Quantity, b: Quantity) => a.amount < b.amount,
  )
  .registerFunction('isCIDR(string): bool', isCidr);

/** CEL's integers are bigints here. */
function celValue(value: unknown): unknown {
  if (typeof value === 'number' && Number.isInteger(value)) return BigInt(value);
  if (Array.isArray(value)) return value.map(celValue);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, child]) => [key, celValue(child)]));
}

function isCidr(text: string): boolean {
  const [address, bits, ...rest] = text.split('/');
  const family = isIP(address ?? '');
  if (family === 0 || rest.length > 0 || !/^(0|[1-9]\d{0,2})$/.test(bits ?? '')) return false;
  return Number(bits) <= (family === 4 ? 32 : 128);
}
