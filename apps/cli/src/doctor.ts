/** `seal doctor`: runtime, adapter, a check that it computes, the model, and which kernels run it. */

import { tuneCases } from '@seal/benchmarks';
import { checkDevice, type DeviceCheck, type GpuDescription } from '@seal/device';
import { selectVariant, type Choice, type ChoiceOptions } from '@seal/kernels';
import type { LlamaConfig } from '@seal/model';
import { EXIT, messageOf } from './failure.ts';
import { writeWhole } from './files.ts';
import type { CommandOf } from './options.ts';
import { openCheckpoint, SHIPPED_MODEL } from './session.ts';
import { print } from './terminal.ts';
import { choiceOptions, loadTuning } from './tuning.ts';
import { packageVersion, sourceCommit } from './version.ts';

/** What is known of a model directory. `problem` is null when it can be used. */
interface ModelCheck {
  readonly directory: string;
  readonly parameters: number | null;
  readonly vocabulary: number | null;
  readonly config: LlamaConfig | null;
  readonly problem: string | null;
}

/** The variants that run a step of this many tokens. */
const TOKENS = 512;

/** Which variants run the model's ops on this adapter, and whether measurements or the defaults say so. */
interface KernelCheck {
  readonly source: 'default' | 'tuned';
  /** Whether variants that round operands to f16 may run. */
  readonly halfOperands: boolean;
  readonly choices: readonly (Choice & { readonly source: 'default' | 'tuned' })[];
}

/** Exit code 4 when the device does not compute or the model cannot be read. */
export async function doctor(command: CommandOf<'doctor'>): Promise<void> {
  const device = await checkDevice();
  const { config, ...model } = await checkModel(command.model ?? SHIPPED_MODEL);
  const kernels = device.gpu && config ? checkKernels(device.gpu, config) : null;
  const ok = device.ok && model.problem === null;
  const { runtime, ...checked } = device;
  const document = { ok, version: packageVersion(), commit: sourceCommit() ?? null, runtime, device: checked, model, kernels };
  const json = JSON.stringify(document);
  if (command.out !== undefined) writeWhole(command.out, `${json}\n`);
  print(command.json ? json : lines(device, model, kernels).join('\n'));
  if (!ok) process.exitCode = EXIT.unavailable;
}

async function checkModel(directory: string): Promise<ModelCheck> {
  try {
    const { config, weights } = await openCheckpoint(directory);
    const parameters = [...weights.values()].reduce((sum, { length }) => sum + length, 0);
    return { directory, parameters, vocabulary: config.vocabSize, config, problem: null };
  } catch (error) {
    return { directory, parameters: null, vocabulary: null, config: null, problem: messageOf(error) };
  }
}

function checkKernels(gpu: GpuDescription, config: LlamaConfig): KernelCheck {
  const tuning = loadTuning(gpu);
  const options: ChoiceOptions = choiceOptions(tuning);
  const measured = new Set(tuning?.choices.map(({ op }) => op));
  const choices = tuneCases(config, TOKENS).map(({ op, sizes }) => ({
    op: op.name,
    sizes,
    variant: selectVariant(op, gpu, sizes, options).name,
    source: measured.has(op.name) ? ('tuned' as const) : ('default' as const),
  }));
  return { source: tuning ? 'tuned' : 'default', halfOperands: tuning?.halfOperands ?? false, choices };
}

/** One line per variant, with the ops that it runs. */
function kernelLines({ source, halfOperands, choices }: KernelCheck): string[] {
  const half = halfOperands ? ', f16 operands allowed' : '';
  const byVariant = Map.groupBy(choices, ({ variant, source: own }) => `${variant} (${own === 'tuned' ? 'measured' : 'default'})`);
  return [
    `kernels     ${source === 'tuned' ? 'measured by seal tune' : 'defaults of the adapter\'s class; seal tune measures'}${half}`,
    ...[...byVariant].map(([variant, own]) => `            ${variant}: ${[...new Set(own.map(({ op }) => op))].join(', ')}`),
  ];
}

function lines({ ok, runtime, gpu, problem }: DeviceCheck, model: Omit<ModelCheck, 'config'>, kernels: KernelCheck | null): string[] {
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
    ...(kernels ? kernelLines(kernels) : []),
  ];
}
