/** Which values of a configuration a verb obeys. */

import { Problem, problemsAs } from '@seal/files';
import { resolveConfig, type SealConfig } from '@seal/trainer';
import type { Preset } from './presets/preset.ts';

/** What a request may say of the configuration. */
export interface ConfigRequest {
  /** Values that replace the preset's, nested as they are, and where they are from. */
  readonly config?: unknown;
  readonly configPlace?: string | undefined;
}

/**
 * The preset with the request's values on top. A value that the verb has no use for is refused by name: `obeyed` lists those
 * it has, as `inner.steps`, or as `inner.lora` for all below it.
 */
export async function configFor(preset: Preset, { config, configPlace = 'the configuration' }: ConfigRequest, verb: string, obeyed: readonly string[]): Promise<SealConfig> {
  const resolved = await problemsAs('usage', () => resolveConfig(preset.config, 'corrected', config, configPlace));
  const useless = leavesOf(config).find((path) => !obeyed.some((one) => path === one || path.startsWith(`${one}.`)));
  if (useless !== undefined) {
    throw new Problem('usage', `Cannot use ${configPlace}: \`${useless}\` says nothing of ${verb}`, { remedy: `leave it out; there are ${obeyed.join(', ')}` });
  }
  return resolved;
}

function leavesOf(value: unknown, path = ''): string[] {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return path === '' ? [] : [path];
  return Object.entries(value).flatMap(([key, own]) => leavesOf(own, path === '' ? key : `${path}.${key}`));
}
