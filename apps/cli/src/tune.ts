/** `seal tune`: measures the variants of the kernels on this adapter and keeps the fastest for later commands. */

import { join } from 'node:path';
import { readJson } from '@seal/files/node';
import { messageOf, Problem, problemsAs, Stopped } from '@seal/files';
import { parseConfig } from '@seal/model';
import { forgetTuning, tuneKernels, tuningPath, writeTuning, type TunedRow } from '@seal/tuner';
import { modelDirectory } from './hub.ts';
import type { CommandOf } from './options.ts';
import { openDevice, SHIPPED_MODEL } from './session.ts';
import { stopSignal } from './stop.ts';
import { print, say } from './terminal.ts';
import { tuningPlace } from './tuning.ts';

/** Nothing is written unless everything was measured. */
export async function tune({ model, f16, forget, json }: CommandOf<'tune'>): Promise<void> {
  if (forget) return forgetChoices(json);
  const file = join(await modelDirectory(model ?? SHIPPED_MODEL), 'config.json');
  const config = await problemsAs('unavailable', () => parseConfig(readJson(file, 'unavailable'), file));
  const gpu = await openDevice();
  const { signal, dispose } = stopSignal(undefined);
  try {
    const rows = await problemsAs('training', () =>
      tuneKernels(gpu, config, { halfOperands: f16, onRow: (row) => (json ? say : print)(line(row)), signal }),
    );
    if (rows.length === 0) throw new Problem('unavailable', 'Cannot tune: every op has one variant that runs on this adapter');
    const choices = rows.map(({ op, sizes, variant }) => ({ op, sizes, variant }));
    const kept = writeTuning(tuningPlace(), gpu.description, f16, choices);
    const changed = rows.filter(({ variant, standard }) => variant !== standard).length;
    if (json) print(JSON.stringify({ adapter: gpu.description.description, file: kept, halfOperands: f16, changed, rows }));
    else print(`${rows.length} shapes measured, ${changed} of them faster with another variant than the usual one; kept in ${kept}`);
  } catch (error) {
    if (signal.aborted) throw new Stopped(`${messageOf(signal.reason)}; nothing was written`);
    throw error;
  } finally {
    dispose();
    gpu.close();
  }
}

async function forgetChoices(json: boolean): Promise<void> {
  const gpu = await openDevice();
  try {
    const file = tuningPath(tuningPlace(), gpu.description);
    const forgotten = forgetTuning(tuningPlace(), gpu.description);
    if (json) print(JSON.stringify({ adapter: gpu.description.description, file, forgotten }));
    else print(forgotten ? `Removed ${file}` : `Nothing was measured on ${gpu.description.description}`);
  } finally {
    gpu.close();
  }
}

function line({ op, shape, variant, standard, medianMs, speedup }: TunedRow): string {
  const gain = variant === standard ? '' : `  ${speedup.toFixed(2)} x ${standard}`;
  return `${`${op} ${shape}`.padEnd(56)} ${variant.padEnd(16)} ${medianMs.toFixed(3).padStart(9)} ms${gain}`;
}
