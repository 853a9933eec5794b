import { afterAll, beforeAll, expect, it } from 'vitest';
import { openGpu, type Gpu } from '@seal/device';
import { Kernels, rmsNorm } from '@seal/kernels';
import { elementwise } from './cases.ts';
import { measureCase } from './measure.ts';
import { Stopwatch } from './stopwatch.ts';

let gpu: Gpu;
beforeAll(async () => {
  gpu = await openGpu();
});
afterAll(() => gpu.close());

it('refuses to time a kernel that computes something else', async () => {
  const honest = elementwise(rmsNorm, 'T=97 C=128', { T: 97, C: 128, eps: 1e-5, offset: 0 }, 97 * 128, 4);
  const last = rmsNorm.variants.at(-1);
  if (!last) throw new TypeError('rms-norm has no variants');
  // Off by one row at the very end only.
  const code = last.code.replace(/(let row = [^;]*;)/, '$1 if (row == params.t - 1u) { return; }');
  expect(code).not.toBe(last.code);
  const planted = { ...honest, op: { ...honest.op, variants: [{ ...last, name: 'planted', code }] } };
  const kernels = new Kernels(gpu.device, gpu.description);
  const watch = new Stopwatch(gpu);
  const measured = measureCase({ gpu, kernels, watch, turns: 1 }, planted);
  await expect(measured).rejects.toThrow(/Cannot time rms-norm as planted at T=97 C=128: /);
  // A large case has no reference: the planted variant goes beside an honest last one.
  const beside = { ...planted, large: true as const, op: { ...planted.op, variants: [...planted.op.variants, last] } };
  await expect(measureCase({ gpu, kernels, watch, turns: 1 }, beside)).rejects.toThrow(/differs from the variant plain/);
  watch.destroy();
  kernels.destroy();
});
