/** What was measured on an adapter, kept as one file an adapter for all who load a model there later. */

import { existsSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { GpuDescription } from '@seal/device';
import { messageOf, Problem, problemsOf } from '@seal/files';
import { digest, digestId, fileProblem, readJson, writeWhole } from '@seal/files/node';
import * as kernels from '@seal/kernels';
import type { AnyOp, Choice, ChoiceOptions } from '@seal/kernels';
import { type } from 'arktype';

const adapterSchema = type({
  backend: 'string',
  vendor: 'string',
  architecture: 'string',
  description: 'string',
  features: 'string[]',
  webgpu: 'string | null',
}).onUndeclaredKey('reject');
const schema = type({
  /** Digest of the variants that were measured. */
  kernels: 'string',
  adapter: adapterSchema,
  halfOperands: 'boolean',
  choices: type({
    op: 'string > 0',
    sizes: { '[string]': 'number' },
    variant: 'string > 0',
  })
    .onUndeclaredKey('reject')
    .array(),
}).onUndeclaredKey('reject');

/** Choices of an adapter, and what names them in records. */
export interface Tuning extends ChoiceOptions {
  readonly choices: readonly Choice[];
  readonly halfOperands: boolean;
  readonly digest: string;
}

/** Where tunings are kept, and what WebGPU does not tell of an adapter. */
export interface TuningPlace {
  /** The cache's folder; tunings have one of their own in it. */
  readonly folder: string;
  /** Version of the package that brings Dawn, which compiles the WGSL where it is the backend. */
  readonly dawn: string;
}

type Adapter = typeof adapterSchema.infer;

/** Adapter and driver, as far as WebGPU tells, the driver's version in its description; and the compiler of WGSL. */
function identity({ backend, vendor, architecture, description, features }: GpuDescription, dawn: string): Adapter {
  const webgpu = backend === 'dawn' ? dawn : null;
  return { backend, vendor, architecture, description, features: [...features], webgpu };
}

const ops = Object.values(kernels).filter((value): value is AnyOp => typeof value === 'object' && 'variants' in value);

/** Changes with the code of any variant: what was measured of the code before says nothing any more. */
function kernelsDigest(): string {
  return digest(Object.fromEntries(ops.map(({ name, variants }) => [name, variants.map((variant) => [variant.name, variant.code])])));
}

/** Where the choices for an adapter are kept; one of a newer driver takes the place of the older one's. */
export function tuningPath({ folder }: Pick<TuningPlace, 'folder'>, { backend, vendor, architecture }: GpuDescription): string {
  return join(folder, 'tuning', `${digestId([backend, vendor, architecture])}.json`);
}

/** Keeps choices for an adapter in place of what was known; returns the file. Throws a problem where it cannot be written. */
export function writeTuning(place: TuningPlace, description: GpuDescription, halfOperands: boolean, choices: readonly Choice[]): string {
  const path = tuningPath(place, description);
  const file = { kernels: kernelsDigest(), adapter: identity(description, place.dawn), halfOperands, choices };
  writeWhole(path, `${JSON.stringify(file, null, 1)}\n`);
  return path;
}

/**
 * The choices for an adapter, or null. A file that cannot be used is left alone, and `onNote` is told of it, with the verb
 * that helps.
 */
export function readTuning(
  place: TuningPlace,
  description: GpuDescription,
  onNote: (text: string, verb: readonly string[]) => void,
): Tuning | null {
  const path = tuningPath(place, description);
  if (!existsSync(path)) return null;
  const ignore = (reason: string): null => {
    onNote(`${path} is not used: ${reason}. Measure again`, ['tune']);
    return null;
  };
  let file: typeof schema.infer | type.errors;
  try {
    file = schema(readJson(path, 'data'));
  } catch (error) {
    return ignore(messageOf(error));
  }
  if (file instanceof type.errors) return ignore(problemsOf(file));
  if (file.kernels !== kernelsDigest()) return ignore('another version of the kernels was measured');
  if (digest(file.adapter) !== digest(identity(description, place.dawn))) return ignore('another adapter or driver was measured');
  const { halfOperands, choices } = file;
  const exists = ({ op, variant }: Choice) => ops.some(({ name, variants }) => name === op && variants.some((one) => one.name === variant));
  const unknown = choices.find((choice) => !exists(choice));
  if (unknown) return ignore(`${unknown.op} has no variant ${unknown.variant}`);
  return { halfOperands, choices, digest: digest({ halfOperands, choices }) };
}

/** Forgets the choices for an adapter; false where there were none. Throws a problem where the file cannot be removed. */
export function forgetTuning(place: Pick<TuningPlace, 'folder'>, description: GpuDescription): boolean {
  const path = tuningPath(place, description);
  if (!existsSync(path)) return false;
  try {
    rmSync(path);
  } catch (cause) {
    throw new Problem('usage', `Cannot remove ${path}: ${fileProblem(cause)}`, { place: path, cause });
  }
  return true;
}
