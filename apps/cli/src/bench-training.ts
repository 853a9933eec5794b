/** `seal bench step` and `seal bench round`: one training step, and a round's adapters trained and asked. */

import { writeWhole } from '@seal/files/node';
import { messageOf, problemsAs } from '@seal/files';
import { benchRound, benchStep, findPython, type RoundBenchmark, type StepBenchmark } from '@seal/benchmarks';
import type { Gpu } from '@seal/device';
import { pathCandidates } from './programs.ts';
import type { CommandOf } from './options.ts';
import { openDevice, SHIPPED_MODEL } from './session.ts';
import { print, say } from './terminal.ts';
import { sourceCommit } from './version.ts';

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

async function measured<T>({ out, json }: Command, table: (result: T) => string, measure: (gpu: Gpu) => Promise<T>): Promise<void> {
  const gpu = await openDevice();
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
    return await findPython(pathCandidates('python3'), needed);
  } catch (error) {
    say(`${messageOf(error)}. Going on without PyTorch`);
    return undefined;
  }
}

function rows(lines: readonly (readonly [string, string])[]): string {
  const width = Math.max(...lines.map(([name]) => name.length));
  return lines.map(([name, value]) => `${name.padEnd(width)}  ${value}`).join('\n');
}

function stepTable(result: StepBenchmark): string {
  const { settings, packedCeiling, milliseconds, memory } = result;
  return rows([
    ['adapter', result.adapter],
    [`packed step, ${settings.adapters} adapters`, `${milliseconds.packedStep.median} ms, ${result.tokensPerSecond} tokens/s`],
    ['packed against solo runs', `${result.packedSpeedup} x (at most ${packedCeiling.speedup} x), updates differ by ${result.packedVsSoloRelativeL2}`],
    [`one step of ${settings.soloTokens} tokens`, `${milliseconds.soloStep.median} ms, ${result.plainTileSpeedup} x plain tiles`],
    ['host time of that step', `${(100 * result.encodeFraction).toFixed(1)} %, ${result.submitsPerStep} submits`],
    [`memory over ${memory.steps} steps`, `${memory.gpuBytes} bytes more on the GPU, ${memory.hostBytes} on the host`],
    ...result.kernels
      .slice(0, 8)
      .map(({ op, variant, dispatches, ms, share }) => [
        `  ${op} (${variant})`,
        `${ms} ms in ${dispatches} dispatches, ${(100 * share).toFixed(1)} %`,
      ] as const),
  ]);
}

function roundTable(result: RoundBenchmark): string {
  const { settings, peers } = result;
  const seconds = ({ seconds: all, adaptSeconds, answerSeconds }: Pick<RoundBenchmark, 'seconds' | 'adaptSeconds' | 'answerSeconds'>) =>
    `${all} s: ${adaptSeconds} adapting, ${answerSeconds} answering`;
  return rows([
    ['adapter', result.adapter],
    ['reward phase', `${settings.contexts} contexts x ${settings.edits} self-edits: ${settings.adapters} adapters of ${settings.inner.steps} steps`],
    ['ours', `${seconds(result)}; ${result.rewardsPerMinute} rewards a minute`],
    ...(peers
      ? ([
          ['PyTorch + PEFT, one at a time', `${seconds(peers.peft)} (${peers.peft.adaptersMeasured} adapters measured): ${peers.peft.ratio} x our time`],
          ['plain PyTorch, batched', `${seconds(peers.batched)}: ${peers.batched.ratio} x our time`],
        ] as const)
      : []),
  ]);
}
