/** `seal sft` and `seal pretrain`: trainings that can be stopped and gone on with. */

import type { CommandOf } from './options.ts';
import { perform } from './perform.ts';

export async function fineTune(command: CommandOf<'sft'>): Promise<void> {
  const { sft } = await import('@seal/engine/sft');
  const { command: _, json: __, maxTime: ___, targets, ...request } = command;
  const asked = { ...request, targets: targets?.split(',') };
  await perform(command, (deps, hooks) => sft(asked, deps, hooks), ({ kind, out, firstLoss, lastLoss }) =>
    `${kind === 'adapter' ? 'Adapter' : 'Model'} in ${out}\nLoss ${firstLoss?.toFixed(4)} at the first step, ${lastLoss?.toFixed(4)} at the last`,
  );
}

export async function pretrainTiny(command: CommandOf<'pretrain'>): Promise<void> {
  const { pretrain } = await import('@seal/engine/pretrain');
  const { out, steps, seed } = command;
  await perform(command, (deps, hooks) => pretrain({ out, steps, seed }, deps, hooks), ({ dir, evaluation }) =>
    `Checkpoint in ${dir}\n${JSON.stringify(evaluation, null, 2)}`,
  { stepsEvery: 50 });
}
