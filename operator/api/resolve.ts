import type { Inputs, Reference, Resolution } from './resolved.ts';
import type { Registry } from './types.ts';
export type { Fault, Inputs, Reference, Resolution, Resolved } from './resolved.ts';

export declare function references(registry: Registry): readonly Reference[];
export declare function resolve(registry: Registry, inputs: Inputs): Resolution;
