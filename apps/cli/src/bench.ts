/** `seal bench`: how fast the kernels, a training step and a round are on this adapter. */

import { benchKernels, type KernelRow } from '@seal/benchmarks';
import { round, step } from './bench-training.ts';
import { EXIT, Failure, orExit } from './failure.ts';
import { writeWhole } from './files.ts';
import type { CommandOf } from './options.ts';
import { openDevice } from './session.ts';
import { print, say } from './terminal.ts';
import { sourceCommit } from './version.ts';

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
    throw new Failure(EXIT.usage, `Cannot use ${name} with bench ${what}: ${reason}`);
  };
  if (filter !== undefined && what !== 'kernels') refuse('--filter', 'it chooses among kernels');
  if (peers && what !== 'round') refuse('--peers', 'only a round has peers');
  if (python !== undefined && !peers) refuse('--python', 'it runs the peers; say --peers too');
}

/** Rows go to stdout for people as they come, to stderr where stdout is a document. */
async function kernels({ filter, out, json }: CommandOf<'bench'>): Promise<void> {
  const gpu = await openDevice();
  try {
    const result = await orExit(EXIT.training, () =>
      benchKernels(gpu, {
        commit: sourceCommit() ?? null,
        ...(filter !== undefined && { filter: (name: string) => name.includes(filter) }),
        onRow: (row) => (json ? say : print)(line(row)),
      }),
    );
    if (result.rows.length === 0) throw new Failure(EXIT.usage, `Cannot measure ops named like ${filter}: there are none`);
    const document = JSON.stringify(result);
    if (out !== undefined) writeWhole(out, `${document}\n`);
    if (json) print(document);
  } finally {
    gpu.close();
  }
}

function line({ op, shape, variant, medianMs, gflops, gbps, ratios }: KernelRow): string {
  const number = (value: number, unit: string) => `${value.toFixed(1).padStart(7)} ${unit}`;
  const ratio = ratios['plain-tile'] === undefined ? '' : `  ${ratios['plain-tile'].toFixed(2)} x the plain tile`;
  return `${`${op} ${shape}`.padEnd(56)} ${variant.padEnd(12)} ${medianMs.toFixed(3).padStart(9)} ms ${number(gflops, 'GFLOP/s')} ${number(gbps, 'GB/s')}${ratio}`;
}
