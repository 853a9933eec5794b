/** What `seal tune` found on an adapter: kept in the user's cache, one file an adapter, used by every command with a model. */

import { existsSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { digest, fileProblem, readJson, writeWhole } from '@seal/files/node';
import { messageOf, Problem, problemsOf } from '@seal/files';
import type { GpuDescription } from '@seal/device';
import * as kernels from '@seal/kernels';
import type { AnyOp, Choice, ChoiceOptions } from '@seal/kernels';
import { type } from 'arktype';
import { cacheFolder } from './cache.ts';
import { say } from './terminal.ts';
import { dawnVersion } from './version.ts';

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

type Adapter = typeof adapterSchema.infer;

/** Adapter and driver, as far as WebGPU tells, the driver's version in its description; and the compiler of WGSL. */
function identity({ backend, vendor, architecture, description, features }: GpuDescription): Adapter {
  const webgpu = backend === 'dawn' ? dawnVersion() : null;
  return { backend, vendor, architecture, description, features: [...features], webgpu };
}

const ops = Object.values(kernels).filter((value): value is AnyOp => typeof value === 'object' && 'variants' in value);

/** Changes with the code of any variant: what was measured of the code before says nothing any more. */
function kernelsDigest(): string {
  return digest(Object.fromEntries(ops.map(({ name, variants }) => [name, variants.map((variant) => [variant.name, variant.code])])));
}

/** Where the choices for an adapter are kept; one of a newer driver takes the place of the older one's. */
export function tuningPath(description: GpuDescription): string {
  return join(cacheFolder(), 'tuning', `${digest([description.backend, description.vendor, description.architecture]).slice(0, 16)}.json`);
}

/** Keeps choices for an adapter in place of what was known. Throws a problem when the file cannot be written. */
export function writeTuning(description: GpuDescription, halfOperands: boolean, choices: readonly Choice[]): string {
  const path = tuningPath(description);
  writeWhole(path, `${JSON.stringify({ kernels: kernelsDigest(), adapter: identity(description), halfOperands, choices }, null, 1)}\n`);
  return path;
}

/** The choices for an adapter, or null. A file that cannot be used is named on stderr and left alone. */
export function readTuning(description: GpuDescription): Tuning | null {
  const path = tuningPath(description);
  if (!existsSync(path)) return null;
  const ignore = (reason: string): null => {
    say(`seal: ${path} is not used: ${reason}. Measure again with: npm run -s seal -- tune`);
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
  if (digest(file.adapter) !== digest(identity(description))) return ignore('another adapter or driver was measured');
  const { halfOperands, choices } = file;
  const exists = ({ op, variant }: Choice) => ops.some(({ name, variants }) => name === op && variants.some((one) => one.name === variant));
  const unknown = choices.find((choice) => !exists(choice));
  if (unknown) return ignore(`${unknown.op} has no variant ${unknown.variant}`);
  return { halfOperands, choices, digest: digest({ halfOperands, choices }) };
}

/** Forgets the choices for an adapter; false where there were none. */
export function forgetTuning(description: GpuDescription): boolean {
  const path = tuningPath(description);
  if (!existsSync(path)) return false;
  try {
    rmSync(path);
  } catch (cause) {
    throw new Problem('usage', `Cannot remove ${path}: ${fileProblem(cause)}`, { cause });
  }
  return true;
}
