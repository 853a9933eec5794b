/** One sequence's overflow must not reach its neighbour in the pack, even where both share a tile. */

import { describe, expect, it } from 'vitest';
import { attention, attentionBackwardKeyValue, attentionBackwardQuery, canRun, type AnyOp } from '@seal/kernels';
import { openKernels } from './device.ts';
import { drawBefore, drawInputs, runOnGpu } from './harness.ts';

const opened = openKernels();

const sizes = { T: 15, H: 2, K: 1, D: 12, window: 0, scale: 0.3 };
const edges = [0, 5, 10, 15];
const bounds = Uint32Array.from({ length: 2 * sizes.T }, (_, i) => edges[Math.floor(i / 10) + (i % 2)] as number);

describe.each<[string, AnyOp]>([
  ['attention', attention],
  ['attention-backward-query', attentionBackwardQuery],
  ['attention-backward-key-value', attentionBackwardKeyValue],
])('%s', (_, op) => {
  const names = Object.keys(op.inputs).filter((name) => name !== 'bounds');
  it.each(names)('keeps a non-finite %s inside its sequence', async (name) => {
    const inputs: ReturnType<typeof drawInputs> = { ...drawInputs(op, sizes, 5), bounds };
    const before = drawBefore(op, sizes, 5);
    const broken = (inputs[name] as Float64Array).slice();
    const width = broken.length / sizes.T;
    broken.fill(NaN, 5 * width, 10 * width);
    for (const variant of op.variants) {
      if (!canRun(variant, opened.core.profile, sizes)) continue;
      const clean = await runOnGpu(opened.core, op, sizes, inputs, before, variant.name);
      const hurt = await runOnGpu(opened.core, op, sizes, { ...inputs, [name]: broken }, before, variant.name);
      let reached = false;
      for (const [output, values] of Object.entries(hurt)) {
        const columns = values.length / sizes.T;
        const outside = (all: Float64Array) => [...all.slice(0, 5 * columns), ...all.slice(10 * columns)];
        expect(outside(values), `${variant.name} ${output}`).toEqual(outside(clean[output] as Float64Array));
        reached ||= values.slice(5 * columns, 10 * columns).every((value) => !Number.isFinite(value));
      }
      expect(reached, `${variant.name} shows it`).toBe(true);
    }
  });
});
