/**
 * A self-edit written, an adapter trained on it, a question answered: every kernel of the loop on whatever runtime this
 * is, by an untrained model. Prints one line of JSON; fails with an exception.
 */

import { stream } from '@seal/files';
import { digest } from '@seal/files/node';
import { openGpu, runtimeName } from '@seal/device';
import { openWorld } from '../loop/world.ts';

/** What the script prints. `adapter` is the digest of the trained values. */
export interface AdaptationReport {
  readonly runtime: string;
  readonly written: number;
  readonly losses: readonly (number | null)[];
  readonly adapter: string;
  readonly answers: readonly string[];
}

const gpu = await openGpu();
const { model, codec, bench, input } = openWorld(gpu);
const [context] = input.evaluation;
if (!context) throw new Error('The test world has no context');
const draws = [stream(2, 'write')].map((random) => () => random.next());
const written = await bench.write([{ prompt: input.domain.prompt(context), draws }], 1);
const adaptation = {
  documents: input.domain.baseline(context).map((sequence) => codec.document(sequence)),
  replay: [],
  steps: 4,
  learningRate: 0.002,
  random: stream(2, 'adapt'),
};
const clock = { adapt() {}, answer() {} };
const jobs = [{ adaptation, tasks: input.domain.tasks(context).slice(0, 2) }];
for await (const [answered] of bench.adaptAndAnswer(jobs, () => {}, clock)) {
  if (!answered) throw new Error('No adapter came back');
  const { adapted, answers } = answered;
  const report: AdaptationReport = {
    runtime: runtimeName(),
    written: written[0]?.[0]?.tokens ?? 0,
    losses: [adapted.firstLoss, adapted.lastLoss],
    adapter: digest(new Uint8Array(adapted.values.buffer, adapted.values.byteOffset, adapted.values.byteLength)),
    answers,
  };
  console.log(JSON.stringify(report));
}
bench.destroy();
model.destroy();
gpu.close();
