/**
 * One case of every variant of every op on this runtime's own WebGPU, against float64: Deno compiles WGSL with naga, which
 * disagrees with Dawn's compiler. Prints one line of JSON; fails with an exception.
 *
 *   npx deno run -A test/runtimes/kernels.ts
 */

import { openGpu, runtimeName } from '@seal/device';
import * as kernels from '@seal/kernels';
import { canRun, Kernels, operandsOf, type AnyOp } from '@seal/kernels';
import { drawBefore, drawInputs, relativeError, runOnGpu } from '../conformance/harness.ts';

/** What the script prints: the variants that ran by op, and those that cannot run here. */
export interface KernelsReport {
  readonly runtime: string;
  readonly ran: Readonly<Record<string, readonly string[]>>;
  readonly wrong: readonly string[];
}

const gpu = await openGpu();
const core = new Kernels(gpu.device, gpu.description);
const ran: Record<string, string[]> = {};
const wrong: string[] = [];
for (const op of Object.values(kernels) as unknown[]) {
  if (typeof op !== 'object' || op === null || !('variants' in op) || !('reference' in op)) continue;
  const { name, cases, variants, reference, tolerance } = op as AnyOp;
  ran[name] = [];
  for (const variant of variants) {
    // The last one that fits has the most tokens and heads, without being large.
    const sizes = cases.findLast((candidate) => canRun(variant, core.profile, candidate));
    if (!sizes) continue;
    const inputs = drawInputs(op as AnyOp, sizes, 4);
    const before = drawBefore(op as AnyOp, sizes, 4);
    const operands = operandsOf(variant, inputs);
    const expected = reference(sizes, operands, before);
    try {
      const actual = await runOnGpu(core, op as AnyOp, sizes, operands, before, variant.name);
      for (const [output, values] of Object.entries(expected)) {
        const error = relativeError(actual[output] ?? new Float64Array(), values as Float64Array);
        if (!(error <= 3 * tolerance.floor)) wrong.push(`${name} as ${variant.name}: ${output} is off by ${error}`);
      }
    } catch (error) {
      wrong.push(`${name} as ${variant.name}: ${error instanceof Error ? error.message : String(error)}`);
    }
    ran[name].push(variant.name);
  }
}
core.destroy();
gpu.close();
const report: KernelsReport = { runtime: runtimeName(), ran, wrong };
console.log(JSON.stringify(report));
