/** What `seal tune` measured, kept in the cache folder for the adapter it was measured on. */

import { existsSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import * as kernels from '@seal/kernels';
import type { GpuDescription } from '@seal/device';
import { digest } from '@seal/runs';
import { type } from 'arktype';
import { cacheFolder } from './cache.ts';
import { EXIT, Failure, messageOf } from './failure.ts';
import { readJson, writeWhole } from './files.ts';
import { say } from './terminal.ts';
import { dawnVersion } from './version.ts';

/** The adapter, its driver and the kernels that were measured: another of them may order the variants otherwise. */
const identitySchema = type({
  backend: 'string',
  vendor: 'string',
  architecture: 'string',
  description: 'string',
  features: 'string',
  webgpu: 'string | null',
  engine: 'string',
}).onUndeclaredKey('reject');

const tuningSchema = type({
  identity: identitySchema,
  halfOperands: 'boolean',
  choices: type({ op: 'string > 0', sizes: type({ '[string]': 'number >= 0' }), variant: 'string > 0' })
    .onUndeclaredKey('reject')
    .array(),
}).onUndeclaredKey('reject');

type Identity = typeof identitySchema.infer;
/** The content of the file. */
export type Tuning = Readonly<typeof tuningSchema.infer>;

/** Where it is. */
export function tuningPath(): string {
  return join(cacheFolder(), 'kernels.json');
}

/** What a measurement holds for. */
export function identityOf({ backend, vendor, architecture, description, features, limits }: GpuDescription): Identity {
  const ops = Object.values(kernels).filter((value): value is kernels.AnyOp => typeof value === 'object' && 'variants' in value);
  const engine = ops.map(({ name, variants }) => [name, variants.map((variant) => [variant.name, variant.code])]);
  return {
    backend,
    vendor,
    architecture,
    description,
    features: digest([features, limits]),
    webgpu: backend === 'dawn' ? dawnVersion() : null,
    engine: digest(engine),
  };
}

/** Writes the choices, whole or not at all, and returns the file's path. */
export function storeTuning(gpu: GpuDescription, choices: readonly kernels.Choice[], halfOperands: boolean): string {
  const tuning: Tuning = { identity: identityOf(gpu), halfOperands, choices: choices.map((choice) => ({ ...choice, sizes: { ...choice.sizes } })) };
  writeWhole(tuningPath(), `${JSON.stringify(tuning, null, 1)}\n`);
  return tuningPath();
}

/** Removes the file; false where there was none. */
export function forgetTuning(): boolean {
  const path = tuningPath();
  if (!existsSync(path)) return false;
  rmSync(path);
  return true;
}

/** The choices for this adapter, or null. A file that cannot be used is passed over with a line on stderr. */
export function loadTuning(gpu: GpuDescription): Tuning | null {
  const path = tuningPath();
  if (!existsSync(path)) return null;
  try {
    const tuning = tuningSchema(readJson(path, EXIT.data));
    if (tuning instanceof type.errors) throw new Failure(EXIT.data, `Cannot read ${path}: ${tuning.summary.split('\n')[0]}`);
    const now = identityOf(gpu);
    const other = (Object.keys(now) as (keyof Identity)[]).find((key) => now[key] !== tuning.identity[key]);
    if (other === undefined) return tuning;
    const what = { engine: 'other kernels', webgpu: 'another Dawn' }[other as string] ?? `another adapter (${tuning.identity.description})`;
    say(`Not using ${path}: it was measured with ${what}; run seal tune again, or seal tune --forget`);
  } catch (error) {
    say(`Not using ${path}: ${messageOf(error)}; run seal tune again, or seal tune --forget`);
  }
  return null;
}

/** What the models of a command choose by, as `loadModel` takes it. */
export function choiceOptions(tuning: Tuning | null): kernels.ChoiceOptions {
  return tuning ? { choices: tuning.choices, halfOperands: tuning.halfOperands } : {};
}

/** SHA-256 of everything that decides between variants, null where the defaults do. */
export function choicesDigest(tuning: Tuning | null): string | null {
  return tuning ? digest({ choices: tuning.choices, halfOperands: tuning.halfOperands }) : null;
}
