/** `seal doctor`: runtime, adapter, a check that it computes, the model, and the kernels that run on it. */

import { modelCases } from '@seal/benchmarks';
import { checkDevice, type DeviceCheck, type GpuDescription } from '@seal/device';
import { selectVariant, type Choice } from '@seal/kernels';
import type { ModelConfig } from '@seal/model';
import { EXIT, messageOf } from './failure.ts';
import { writeWhole } from './files.ts';
import type { CommandOf } from './options.ts';
import { openCheckpoint, SHIPPED_MODEL } from './session.ts';
import { print } from './terminal.ts';
import { readTuning } from './tuning.ts';
import { packageVersion, sourceCommit } from './version.ts';

/** What is known of a model directory. `problem` is null when it can be used. */
interface ModelCheck {
  readonly directory: string;
  readonly parameters: number | null;
  readonly vocabulary: number | null;
  readonly problem: string | null;
}

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
  const device = await checkDevice();
  const { config, ...model } = await checkModel(command.model ?? SHIPPED_MODEL);
  const kernels = device.gpu && config ? checkKernels(device.gpu, config) : { source: 'default' as const, choices: [] };
  const ok = device.ok && model.problem === null;
  const { runtime, ...checked } = device;
  const document = { ok, version: packageVersion(), commit: sourceCommit() ?? null, runtime, device: checked, model, kernels };
  const json = JSON.stringify(document);
  if (command.out !== undefined) writeWhole(command.out, `${json}\n`);
  print(command.json ? json : lines(device, model, kernels).join('\n'));
  if (!ok) process.exitCode = EXIT.unavailable;
}

async function checkModel(directory: string): Promise<ModelCheck & { readonly config: ModelConfig | null }> {
  try {
    const { config, source } = await openCheckpoint(directory);
    const parameters = [...source.tensors.values()].reduce((sum, { shape }) => sum + shape.reduce((product, axis) => product * axis, 1), 0);
    return { directory, parameters, vocabulary: config.vocabSize, problem: null, config };
  } catch (error) {
    return { directory, parameters: null, vocabulary: null, problem: messageOf(error), config: null };
  }
}

/** The variant of every op at the model's shapes, as a command with that model would run it. */
function checkKernels(gpu: GpuDescription, config: ModelConfig): KernelCheck {
  const tuning = readTuning(gpu);
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

function lines({ ok, runtime, gpu, problem }: DeviceCheck, model: ModelCheck, kernels: KernelCheck): string[] {
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
    `model       ${model.problem ?? `${model.parameters} parameters, ${model.vocabulary} tokens, in ${model.directory}`}`,
    `kernels     ${kernels.source === 'tuned' ? 'as seal tune measured' : 'defaults for this class of adapter'}`,
    ...(kernels.choices.length > 0 ? [`            ${variantsByOp(kernels.choices)}`] : []),
  ];
}
