/** `seal bench kernels`: how fast the kernels are on this adapter. */

import { benchKernels } from '@seal/benchmarks';
import { EXIT, orExit } from './failure.ts';
import { writeWhole } from './files.ts';
import type { CommandOf } from './options.ts';
import { openDevice } from './session.ts';
import { print, say } from './terminal.ts';
import { sourceCommit } from './version.ts';

export async function bench(command: CommandOf<'bench'>): Promise<void> {
  const gpu = await openDevice();
  try {
    const result = await orExit(EXIT.training, () =>
      benchKernels(gpu, {
        commit: sourceCommit() ?? null,
        ...(command.filter !== undefined && { filter: (name: string) => name.includes(command.filter ?? '') }),
        onRow: (row) => say(`${row.op} ${row.variant} ${row.shape}  ${row.medianMs.toFixed(2)} ms  ${row.gflops?.toFixed(1) ?? '-'} GFLOP/s`),
      }),
    );
    const json = JSON.stringify(result);
    if (command.out !== undefined) writeWhole(command.out, `${json}\n`);
    if (command.json) print(json);
  } finally {
    gpu.close();
  }
}
