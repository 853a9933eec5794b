/** The policy that a run arrived at: its adapters, to be merged where they are used. */

import { join } from 'node:path';
import { Problem, problemsAs } from '@seal/files';
import { digest, readWhole } from '@seal/files/node';
import { readRun } from '@seal/runs';
import { loraConfig, parseSealConfig, type PolicyRef, type ReadAdapter } from '@seal/trainer';

/** What the rounds of a run learnt. */
export interface Learnt {
  readonly policy: PolicyRef;
  /** Of the weights that the run started from. */
  readonly modelDigest: string;
  readonly readAdapter: ReadAdapter;
}

/** Reads what a run learnt. Throws a problem of kind `data` where the run cannot be read, finished no round or lacks an adapter. */
export async function readLearnt(dir: string): Promise<Learnt> {
  return problemsAs('data', async () => {
    const { header, sft } = await readRun(dir);
    const rounds = sft.filter(({ phase }) => phase === 'rl').toSorted((a, b) => a.round - b.round);
    if (rounds.length === 0) throw new Problem('data', `Cannot use the policy of ${dir}: no round of it is finished`);
    const lora = loraConfig(parseSealConfig(header.config, join(dir, 'run.json')).outer.sft.lora);
    const adapters = rounds.flatMap(({ adapterDigest }) => (adapterDigest === null ? [] : [{ digest: adapterDigest, lora }]));
    const files = new Map<string, Uint8Array>(adapters.map((one) => [one.digest, adapterFile(dir, one.digest)]));
    return {
      policy: { adapters },
      modelDigest: header.modelDigest,
      async readAdapter(sha) {
        const bytes = files.get(sha);
        if (!bytes) throw new RangeError(`Cannot find adapter ${sha} in ${dir}`);
        return bytes;
      },
    };
  });
}

function adapterFile(dir: string, sha: string): Uint8Array {
  const path = join(dir, 'adapters', sha, 'adapter_model.safetensors');
  const bytes = readWhole(path);
  if (digest(bytes) !== sha) throw new Problem('data', `Cannot use the policy of ${dir}: ${path} does not have the hash it is named by`, { place: path });
  return bytes;
}
