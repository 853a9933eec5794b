/** `seal bench step` and `seal bench round`: one training step, and a round's adapters trained and asked. */

import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { writeWhole } from '@seal/files/node';
import { messageOf, problemsAs } from '@seal/files';
import { benchRound, benchStep, findPython, roundTable, stepTable } from '@seal/benchmarks';
import type { Gpu } from '@seal/device';
import { openDevice, SHIPPED_MODEL } from '@seal/engine/session';
import type { CommandOf } from './options.ts';
import { deps } from './deps.ts';
import { print, say } from './terminal.ts';
import { sourceCommit } from './version.ts';
import { inWords } from './words-of-problems.ts';

type Command = CommandOf<'bench'>;

export async function step(command: Command): Promise<void> {
  await measured(command, stepTable, (gpu) =>
    benchStep(gpu, { commit: sourceCommit() ?? null, checkpoint: SHIPPED_MODEL, onProgress: say }),
  );
}

export async function round(command: Command): Promise<void> {
  const python = command.peers ? await peerPython(command.python) : undefined;
  await measured(command, roundTable, (gpu) =>
    benchRound(gpu, {
      commit: sourceCommit() ?? null,
      checkpoint: SHIPPED_MODEL,
      ...(python !== undefined && { python }),
      onProgress: say,
    }),
  );
}

async function measured<T>({ out, json, verbose }: Command, table: (result: T) => string, measure: (gpu: Gpu) => Promise<T>): Promise<void> {
  const gpu = await openDevice(deps({ verbose }));
  try {
    const result = await problemsAs('training', () => measure(gpu));
    const document = JSON.stringify(result);
    // What was measured is shown even where the file cannot be written.
    print(json ? document : table(result));
    if (out !== undefined) writeWhole(out, `${document}\n`);
  } finally {
    gpu.close();
  }
}

/** A Python for the peers that need one. One that was named must do; where none was, they are left out. */
export async function peerPython(named: string | undefined, needed?: readonly string[]): Promise<string | undefined> {
  if (named !== undefined) return problemsAs('unavailable', () => findPython([named], needed));
  try {
    const folders = (process.env['PATH'] ?? '').split(delimiter).filter((folder) => folder !== '');
    return await findPython(folders.map((folder) => join(folder, 'python3')).filter((path) => existsSync(path)), needed);
  } catch (error) {
    say(`${inWords(messageOf(error))}. Going on without PyTorch`);
    return undefined;
  }
}
