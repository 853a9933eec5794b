/** `seal doctor`: runtime, adapter, a check that it computes, the model, what it will take, and the kernels that run. */

import { writeWhole } from '@seal/files/node';
import { modelCases } from '@seal/tuner';
import { checkDevice, type DeviceCheck, type GpuDescription } from '@seal/device';
import { selectVariant, type Choice } from '@seal/kernels';
import type { ModelConfig } from '@seal/model';
import { EXIT } from './failure.ts';
import type { CommandOf } from './options.ts';
import { checkModel, modelLine, parseMemory, planLines, planModel, type ModelCheck } from './plan.ts';
import { SHIPPED_MODEL } from './session.ts';
import { print } from './terminal.ts';
import { keptTuning } from './tuning.ts';
import { packageVersion, sourceCommit } from './version.ts';

/** Which variants run. `choices` is empty where there is no device or no model. */
interface KernelCheck {
  readonly source: 'default' | 'tuned';
  readonly choices: readonly Choice[];
}

/** A step of this size stands for the model's others. */
const TOKENS = 512;
const RANK = 16;

/** Exit code 4 when the device does not compute or the model cannot be read. */
export async function doctor(command: CommandOf<'doctor'>): Promise<void> {
  const memory = command.memory === undefined ? null : parseMemory(command.memory);
  const device = await checkDevice();
  const { check: model, model: known } = await checkModel(command.model ?? SHIPPED_MODEL);
  const plan = known && planModel(known, device.gpu, command, memory);
  const kernels = device.gpu && known ? checkKernels(device.gpu, known.config) : { source: 'default' as const, choices: [] };
  const ok = device.ok && model.problem === null;
  const { runtime, ...checked } = device;
  const document = { ok, version: packageVersion(), commit: sourceCommit() ?? null, runtime, device: checked, model, plan, kernels };
  const json = JSON.stringify(document);
  if (command.out !== undefined) writeWhole(command.out, `${json}\n`);
  print(command.json ? json : lines(device, model, plan ? planLines(plan) : [], kernels).join('\n'));
  if (!ok) process.exitCode = EXIT.unavailable;
}

/** The variant of every op at the model's shapes, as a command with that model would run it. */
function checkKernels(gpu: GpuDescription, config: ModelConfig): KernelCheck {
  const tuning = keptTuning(gpu);
  const choices = modelCases(config, TOKENS, RANK).map(({ op, sizes }) => ({
    op: op.name,
    sizes,
    variant: selectVariant(op, gpu, sizes, tuning ?? {}).name,
  }));
  return { source: tuning ? 'tuned' : 'default', choices };
}

/** `matmul-nt subgroup-8, rms-norm subgroup`: every op once, with all the variants it runs as. */
function variantsByOp(choices: readonly Choice[]): string {
  const byOp = Map.groupBy(choices, ({ op }) => op);
  return [...byOp].map(([op, all]) => `${op} ${[...new Set(all.map(({ variant }) => variant))].join('|')}`).join(', ');
}

function lines(
  { ok, runtime, gpu, problem }: DeviceCheck,
  model: ModelCheck,
  plan: readonly (readonly [string, string])[],
  kernels: KernelCheck,
): string[] {
  const lanes = gpu?.subgroupSize ? `${gpu.subgroupSize} lanes` : 'not usable';
  return [
    `seal        ${packageVersion()} on ${runtime}`,
    ...(gpu
      ? [
          `adapter     ${gpu.description} (${gpu.class})`,
          `subgroups   ${lanes}`,
          `features    ${gpu.features.join(', ') || 'none'}`,
        ]
      : []),
    `device      ${ok ? 'computes correctly' : problem}`,
    `model       ${modelLine(model)}`,
    ...plan.map(([name, text]) => name.padEnd(12) + text),
    `kernels     ${kernels.source === 'tuned' ? 'as seal tune measured' : 'defaults for this class of adapter'}`,
    ...(kernels.choices.length > 0 ? [`            ${variantsByOp(kernels.choices)}`] : []),
  ];
}
