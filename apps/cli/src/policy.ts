/** The policy that a run arrived at: the model with every round's adapter merged in. */

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ModelConfig } from '@seal/model';
import { readRun } from '@seal/runs';
import { afterRound, loraConfig, parseSealConfig, weightsDigest, type Policy } from '@seal/trainer';
import { EXIT, Failure, orExit } from './failure.ts';

/** Ends with exit code 3 when the run cannot be read, 2 when it started from other weights than `initial`. */
export async function policyOf(dir: string, initial: Policy, model: ModelConfig): Promise<Policy> {
  return orExit(EXIT.data, () => {
    const { header, sft } = readRun(dir);
    if (header.modelDigest !== initial.digest) {
      throw new Failure(EXIT.usage, `Cannot use the policy of ${dir}: that run started from another model`);
    }
    const lora = loraConfig(parseSealConfig(header.config, join(dir, 'run.json')).outer.sft.lora);
    const rounds = sft.filter(({ phase }) => phase === 'rl').toSorted((a, b) => a.round - b.round);
    if (rounds.length === 0) throw new Failure(EXIT.data, `Cannot use the policy of ${dir}: no round of it is finished`);
    const weights = rounds.reduce((before, { adapterDigest }) => {
      if (adapterDigest === null) return before;
      const path = join(dir, 'adapters', adapterDigest, 'adapter_model.safetensors');
      return afterRound(before, model, lora, readFileSync(path), path);
    }, initial.weights);
    return { weights, digest: weightsDigest(weights) };
  });
}
