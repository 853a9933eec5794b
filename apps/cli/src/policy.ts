/** The policy that a run arrived at: the model with every round's adapter merged in. */

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Problem, problemsAs } from '@seal/files';
import type { LoraConfig, ModelConfig } from '@seal/model';
import { readRun } from '@seal/runs';
import { afterRound, loraConfig, parseSealConfig, weightsDigest, type Policy } from '@seal/trainer';

/** What the rounds of a run learnt, in their order. */
export interface Learnt {
  readonly dir: string;
  /** Of the weights that the run started from. */
  readonly modelDigest: string;
  readonly lora: LoraConfig;
  readonly adapterDigests: readonly string[];
}

/** Reads what a run learnt, but for the adapters. Ends with exit code 3 where the run cannot be read or finished no round. */
export async function readLearnt(dir: string): Promise<Learnt> {
  return problemsAs('data', () => {
    const { header, sft } = readRun(dir);
    const rounds = sft.filter(({ phase }) => phase === 'rl').toSorted((a, b) => a.round - b.round);
    if (rounds.length === 0) throw new Problem('data', `Cannot use the policy of ${dir}: no round of it is finished`);
    return {
      dir,
      modelDigest: header.modelDigest,
      lora: loraConfig(parseSealConfig(header.config, join(dir, 'run.json')).outer.sft.lora),
      adapterDigests: rounds.flatMap(({ adapterDigest }) => adapterDigest ?? []),
    };
  });
}

/** Ends with exit code 3 when an adapter cannot be read, 2 when the run started from other weights than `initial`. */
export async function policyOf({ dir, modelDigest, lora, adapterDigests }: Learnt, initial: Policy, model: ModelConfig): Promise<Policy> {
  if (modelDigest !== initial.digest) {
    throw new Problem('usage', `Cannot use the policy of ${dir}: that run started from another model`);
  }
  return problemsAs('data', () => {
    const weights = adapterDigests.reduce((before, adapterDigest) => {
      const path = join(dir, 'adapters', adapterDigest, 'adapter_model.safetensors');
      return afterRound(before, model, lora, readFileSync(path), path);
    }, initial.weights);
    return { weights, digest: weightsDigest(weights) };
  });
}
