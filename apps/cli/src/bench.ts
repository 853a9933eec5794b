/** `seal bench kernels`: how fast the kernels are on this adapter. */

import { benchKernels, type KernelRow } from '@seal/benchmarks';
import { EXIT, Failure, orExit } from './failure.ts';
import { writeWhole } from './files.ts';
import type { CommandOf } from './options.ts';
import { openDevice } from './session.ts';
import { print, say } from './terminal.ts';
import { sourceCommit } from './version.ts';

/** Rows go to stdout for people as they come, to stderr where stdout is a document. */
export async function bench({ filter, out, json }: CommandOf<'bench'>): Promise<void> {
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
