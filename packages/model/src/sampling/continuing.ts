/** One prompt continued by the weights alone or by adapters over them, side by side. */

import type { PeftAdapter } from '../adapters/peft.ts';
import { AdapterPool } from '../adapters/adapter-pool.ts';
import type { Model } from '../model.ts';
import { PROJECTIONS } from '../model-config.ts';
import { FEW_ROWS } from '../products.ts';
import { cacheSlots, Generator, type Completion, type GenerationOptions } from './generation.ts';
import { PoolGenerator } from './pool-generator.ts';

/** Adapters on the device at once; the weights alone are one more. */
const ADAPTERS = 4;
/** Rows of a segment are a multiple of this. */
const ROWS = 8;
/**
 * Completions that are written side by side at most. A step then never has more rows than the kernels for few multiply: more
 * are multiplied by others, and an answer would depend on how many others are asked for.
 */
const MOST_SLOTS = FEW_ROWS - ROWS * (1 + ADAPTERS);

/** A prompt, the draws of each of its completions, and the digest of who continues it; null for the weights alone. */
export interface ContinuationRequest {
  readonly prompt: readonly number[];
  readonly adapter: string | null;
  readonly draws: readonly (() => number)[];
}

/**
 * Completions of every request, in their order. `adapters` are those that the requests name; all prompts are of one length.
 * Throws as Generator does.
 */
export async function continueTokens(
  model: Model,
  adapters: readonly PeftAdapter[],
  requests: readonly ContinuationRequest[],
  options: GenerationOptions,
): Promise<Completion[][]> {
  const { config } = model;
  const promptLength = Math.max(0, ...requests.map(({ prompt }) => prompt.length));
  const total = requests.reduce((sum, { draws }) => sum + draws.length, 0);
  const length = Math.min(config.maxPositionEmbeddings, promptLength + options.maxNewTokens);
  const sizes = {
    slots: Math.max(1, Math.min(total, MOST_SLOTS, cacheSlots(model, length))),
    length,
    prefillTokens: Math.ceil(promptLength / ROWS) * ROWS + ROWS,
  };
  if (adapters.length === 0) {
    const generator = new Generator(model, null, sizes, () => null);
    try {
      return await generator.generate(requests.map(({ prompt, draws }) => ({ prompt, draws })), options);
    } finally {
      generator.destroy();
    }
  }
  const pool = new AdapterPool(model, {
    slots: ADAPTERS,
    rank: Math.max(...adapters.map(({ lora }) => lora.rank)),
    targets: PROJECTIONS.filter((p) => adapters.some(({ lora }) => lora.targets.includes(p))),
  });
  try {
    for (const adapter of adapters) pool.add(adapter);
    const generator = new PoolGenerator(model, pool, sizes);
    try {
      return await generator.generate(requests, options);
    } finally {
      generator.destroy();
    }
  } finally {
    pool.destroy();
  }
}
