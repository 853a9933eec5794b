/** What was measured, for people: lines and tables of plain text. */

import type { KernelRow } from './kernels.ts';
import type { RoundBenchmark } from './round.ts';
import type { StepBenchmark } from './step.ts';

/** An op at one shape, on one line. */
export function kernelLine({ op, shape, variant, medianMs, gflops, gbps, fractionOfCeiling, ratios }: KernelRow): string {
  const number = (value: number, unit: string) => `${value.toFixed(1).padStart(7)} ${unit}`;
  const compared = Object.entries(ratios)
    .filter(([name]) => name !== variant)
    .map(([name, ratio]) => `${ratio.toFixed(2)} x ${name}`);
  const name = `${op} ${shape}`;
  return [
    name.padEnd(56),
    variant.padEnd(15),
    `${medianMs.toFixed(3).padStart(9)} ms`,
    number(gflops, 'GFLOP/s'),
    number(gbps, 'GB/s'),
    `${(100 * fractionOfCeiling).toFixed(0).padStart(3)} % of the ceiling`,
    compared.join(', '),
  ]
    .join(' ')
    .trimEnd();
}

function rows(lines: readonly (readonly [string, string])[]): string {
  const width = Math.max(...lines.map(([name]) => name.length));
  return lines.map(([name, value]) => `${name.padEnd(width)}  ${value}`).join('\n');
}

/** A training step, by what it was measured for. */
export function stepTable(result: StepBenchmark): string {
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

/** A round, beside its peers where they were measured. */
export function roundTable(result: RoundBenchmark): string {
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
