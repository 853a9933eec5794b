/**
 * A self-edit written, an adapter trained on it, a question answered: every kernel of the loop on whatever runtime this
 * is, by an untrained model. Prints one line of JSON; fails with an exception.
 */

import { openGpu, runtimeName } from '@seal/device';
import { BASE_POLICY, type AdaptWork } from '@seal/trainer';
import { openWorld } from '../loop/world.ts';

/** What the script prints. `adapter` is the digest of the trained adapter's file. */
export interface AdaptationReport {
  readonly runtime: string;
  readonly written: number;
  readonly losses: readonly (number | null)[];
  readonly adapter: string;
  readonly answers: readonly string[];
}

const gpu = await openGpu();
const { model, codec, executor, input } = openWorld(gpu);
const [context] = input.evaluation;
if (!context) throw new Error('The test world has no context');
const policy = BASE_POLICY;
let written = 0;
for await (const [samples] of executor.write([{ policy, prompt: codec.prompt(input.domain.prompt(context)), streams: [[2, 'write']], temperature: 1 }])) {
  written += samples?.[0]?.tokens.length ?? 0;
}
const work: AdaptWork = {
  policy,
  documents: input.domain.always(context).map((sequence) => codec.document(sequence)),
  replay: [],
  steps: 4,
  rate: { learningRate: 0.002, schedule: 'constant', warmUpSteps: 0 },
  stream: [2, 'adapt'],
  ask: input.domain.tasks(context).slice(0, 2).map(({ prompt }) => codec.prompt(prompt)),
  keep: false,
};
for await (const [result] of executor.adapt([work])) {
  if (!result) throw new Error('No adapter came back');
  const { adapted, answers } = result;
  const report: AdaptationReport = {
    runtime: runtimeName(),
    written,
    losses: [adapted.firstLoss, adapted.lastLoss],
    adapter: adapted.digest,
    answers: answers.map(({ tokens }) => codec.decode(tokens).trim()),
  };
  console.log(JSON.stringify(report));
}
await executor.close();
model.destroy();
gpu.close();
