/** `seal doctor`: runtime, adapter, a check that it computes, and the model. */

import { checkDevice, type DeviceCheck } from '@seal/device';
import { EXIT, messageOf } from './failure.ts';
import { writeWhole } from './files.ts';
import type { CommandOf } from './options.ts';
import { openCheckpoint, SHIPPED_MODEL } from './session.ts';
import { print } from './terminal.ts';
import { packageVersion, sourceCommit } from './version.ts';

/** What is known of a model directory. `problem` is null when it can be used. */
interface ModelCheck {
  readonly directory: string;
  readonly parameters: number | null;
  readonly vocabulary: number | null;
  readonly problem: string | null;
}

/** Exit code 4 when the device does not compute or the model cannot be read. */
export async function doctor(command: CommandOf<'doctor'>): Promise<void> {
  const device = await checkDevice();
  const model = await checkModel(command.model ?? SHIPPED_MODEL);
  const ok = device.ok && model.problem === null;
  const { runtime, ...checked } = device;
  const document = { ok, version: packageVersion(), commit: sourceCommit() ?? null, runtime, device: checked, model };
  const json = JSON.stringify(document);
  if (command.out !== undefined) writeWhole(command.out, `${json}\n`);
  print(command.json ? json : lines(device, model).join('\n'));
  if (!ok) process.exitCode = EXIT.unavailable;
}

async function checkModel(directory: string): Promise<ModelCheck> {
  try {
    const { config, weights } = await openCheckpoint(directory);
    const parameters = [...weights.values()].reduce((sum, { length }) => sum + length, 0);
    return { directory, parameters, vocabulary: config.vocabSize, problem: null };
  } catch (error) {
    return { directory, parameters: null, vocabulary: null, problem: messageOf(error) };
  }
}

function lines({ ok, runtime, gpu, problem }: DeviceCheck, model: ModelCheck): string[] {
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
  ];
}
