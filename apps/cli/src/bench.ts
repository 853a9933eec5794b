/** `seal bench`: how fast the kernels, a training step and a round are on this adapter. */

import { Problem } from '@seal/files';
import { kernels } from './bench-kernels.ts';
import { round, step } from './bench-training.ts';
import type { CommandOf } from './options.ts';

export async function bench(command: CommandOf<'bench'>): Promise<void> {
  checkOptions(command);
  switch (command.what) {
    case 'kernels':
      return kernels(command);
    case 'step':
      return step(command);
    case 'round':
      return round(command);
  }
}

/** Options that say nothing about what is measured are refused, not ignored. */
function checkOptions({ what, filter, peers, python }: CommandOf<'bench'>): void {
  const refuse = (name: string, reason: string) => {
    throw new Problem('usage', `Cannot use ${name} with bench ${what}: ${reason}`);
  };
  if (filter !== undefined && what !== 'kernels') refuse('--filter', 'it chooses among kernels');
  if (peers && what === 'step') refuse('--peers', 'a round and the kernels have peers');
  if (python !== undefined && !peers) refuse('--python', 'it runs the peers; say --peers too');
}
