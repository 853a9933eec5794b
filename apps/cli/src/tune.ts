/** `seal tune`: measures the variants of every op at the shapes of a model and keeps the fastest for this adapter. */

import { tuneKernels, type Finding } from '@seal/benchmarks';
import { EXIT, Failure, orExit } from './failure.ts';
import type { CommandOf } from './options.ts';
import { openConfig, openDevice } from './session.ts';
import { counted, print, say } from './terminal.ts';
import { forgetTuning, storeTuning, tuningPath } from './tuning.ts';

export async function tune({ model, f16, forget, json }: CommandOf<'tune'>): Promise<void> {
  if (forget) {
    if (model !== undefined || f16) throw new Failure(EXIT.usage, 'Cannot use --model or --f16 with --forget: it measures nothing');
    const forgotten = forgetTuning();
    const done = forgotten ? `Removed ${tuningPath()}: the defaults of the adapter's class decide again` : 'Nothing was stored';
    return print(json ? JSON.stringify({ forgotten, file: tuningPath() }) : done);
  }
  const config = await openConfig(model);
  const gpu = await openDevice();
  try {
    const findings = await orExit(EXIT.training, () =>
      tuneKernels(gpu, config, { halfOperands: f16, onFinding: (finding) => (json ? say : print)(line(finding)) }),
    );
    const file = storeTuning(gpu.description, findings.map(({ choice }) => choice), f16);
    const changed = findings.filter(({ choice, fallback }) => choice.variant !== fallback).length;
    if (json) return print(JSON.stringify({ adapter: gpu.description.description, file, halfOperands: f16, findings }));
    const half = f16 ? '; variants that round operands to f16 may run' : '';
    print(`${counted(findings.length, 'shape')}, ${changed} with another variant than the default, kept in ${file}${half}`);
  } finally {
    gpu.close();
  }
}

function line({ choice, shape, fallback, gain, milliseconds }: Finding): string {
  const times = Object.entries(milliseconds).map(([variant, ms]) => `${variant} ${ms} ms`).join(', ');
  const won = choice.variant === fallback ? 'as by default' : `${gain.toFixed(2)} x the default ${fallback}`;
  return `${`${choice.op} ${shape}`.padEnd(60)} ${choice.variant.padEnd(15)} ${won}: ${times}`;
}
