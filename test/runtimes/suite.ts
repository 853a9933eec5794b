/**
 * The smallest proof that a runtime can do what the rest is built on: open a device, run two kernels, agree with
 * float64, notice an error, notice a loss, and end by itself. Plain asserts, so that any runtime can run it:
 *
 *   npx node test/runtimes/suite.ts      npx deno run -A test/runtimes/suite.ts      npx bun run test/runtimes/suite.ts
 *
 * An argument picks the backend (`dawn` or `native`). Prints one line of JSON; fails with an exception.
 */

import assert from 'node:assert/strict';
import process from 'node:process';
import { DeviceLostError, GpuError, openGpu, runtimeName, type Gpu, type GpuDescription } from '@seal/device';
import { canRun, Kernels, matmulNN, operandsOf, rmsNorm, type AnyOp, type Sizes } from '@seal/kernels';
import { drawBefore, drawInputs, runOnGpu } from '../conformance/harness.ts';

/** What the suite prints. `largestErrors` are relative L2, by op and variant. */
export interface SuiteReport {
  readonly runtime: string;
  readonly gpu: GpuDescription;
  readonly largestErrors: Readonly<Record<string, number>>;
}

/** Rounding of a float32 sum of about a hundred products, with room for a different order of summation. */
const TOLERANCE = 1e-5;

const CASES: readonly { readonly op: AnyOp; readonly sizes: Sizes<string> }[] = [
  { op: rmsNorm as unknown as AnyOp, sizes: { T: 33, C: 128, eps: 1e-5, offset: 0 } },
  { op: rmsNorm as unknown as AnyOp, sizes: { T: 7, C: 33, eps: 1e-5, offset: 1 } },
  { op: matmulNN as unknown as AnyOp, sizes: { M: 33, N: 64, K: 96, accumulate: 0, hasBias: 0, lda: 96, ldc: 64 } },
  { op: matmulNN as unknown as AnyOp, sizes: { M: 7, N: 33, K: 97, accumulate: 0, hasBias: 0, lda: 97, ldc: 33 } },
];

async function opsAgreeWithFloat64(gpu: Gpu): Promise<Record<string, number>> {
  const kernels = new Kernels(gpu.device, gpu.description);
  const largest: Record<string, number> = {};
  for (const [seed, { op, sizes }] of CASES.entries()) {
    const inputs = drawInputs(op, sizes, seed);
    const before = drawBefore(op, sizes, seed);
    for (const variant of op.variants) {
      if (!canRun(variant, gpu.description, sizes)) continue;
      const expected = op.reference(sizes, operandsOf(variant, inputs), before);
      const actual = await runOnGpu(kernels, op, sizes, inputs, before, variant.name);
      for (const [name, values] of Object.entries(expected)) {
        const error = relativeL2(actual[name], values);
        const label = `${op.name}/${variant.name} ${name}`;
        assert.ok(error <= TOLERANCE, `${label} at ${JSON.stringify(sizes)} is off by ${error}`);
        // A comparison that cannot fail proves nothing.
        assert.ok(relativeL2(actual[name].map((value) => value * 1.001), values) > TOLERANCE, `${label}: blind`);
        largest[label] = Math.max(largest[label] ?? 0, error);
      }
    }
  }
  kernels.destroy();
  return largest;
}

function relativeL2(actual: Float64Array, expected: Float64Array): number {
  assert.equal(actual.length, expected.length);
  const squares = (values: Float64Array): number => values.reduce((sum, value) => sum + value ** 2, 0);
  return Math.sqrt(squares(actual.map((value, i) => value - expected[i])) / squares(expected));
}

async function errorsAreNoticed(gpu: Gpu): Promise<void> {
  const broken = (): void => {
    const module = gpu.device.createShaderModule({ code: 'fn main( {' });
    gpu.device.createComputePipeline({ layout: 'auto', compute: { module, entryPoint: 'main' } });
  };
  await assert.rejects(gpu.guard('a broken kernel', broken), GpuError);
  broken();
  await gpu.device.queue.onSubmittedWorkDone();
  assert.throws(() => gpu.throwIfFailed(), GpuError);
  gpu.throwIfFailed();
}

async function aLossIsNoticed(gpu: Gpu): Promise<void> {
  gpu.device.destroy();
  assert.equal((await gpu.lost).reason, 'destroyed');
  assert.throws(() => gpu.throwIfFailed(), DeviceLostError);
}

const backend = process.argv[2];
assert.ok(backend === undefined || backend === 'dawn' || backend === 'native', `Unknown backend ${backend}`);
const gpu = await openGpu({ backend });
const report: SuiteReport = {
  runtime: runtimeName(),
  gpu: gpu.description,
  largestErrors: await opsAgreeWithFloat64(gpu),
};
await errorsAreNoticed(gpu);
await aLossIsNoticed(gpu);
gpu.close();
console.log(JSON.stringify(report));
