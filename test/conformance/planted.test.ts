/** Faults planted in the tiles of the family `workgroup`: the suite's comparison with float64 must notice each of them. */

import { expect, it } from 'vitest';
import {
  attention,
  attentionBackwardKeyValue,
  attentionBackwardQuery,
  attentionDecode,
  crossEntropy,
  loraGradient,
  loraLinear,
  loraProject,
  matmulNT,
  matmulTN,
  rmsNorm,
  type AnyOp,
} from '@seal/kernels';
import { openKernels } from './device.ts';
import { drawBefore, drawInputs, relativeError, runOnGpu } from './harness.ts';

const opened = openKernels();

it.each<[string, AnyOp, string, string, string]>([
  ['a row of the tile too far', matmulNT, 'workgroup-small', 'load_left(row + r, k', 'load_left(row + r + 1u, k'],
  ['a step of k too short', matmulTN, 'workgroup-small', '(min(rest, STEP) + 3u) / 4u', '(min(rest, STEP) - 1u) / 4u'],
  ['a store one column on', matmulNT, 'workgroup', 'params.ldc + column + j', 'params.ldc + column + (j + 1u) % 4u'],
  ['the adapter of the next block', loraLinear, 'workgroup-small', 'ROW_GROUPS, params.t - 1u) / 8u]', 'ROW_GROUPS + 8u, params.t - 1u) / 8u]'],
  ['a rank that is left out', loraLinear, 'workgroup', 'var rank = 0u; rank < params.r', 'var rank = 4u; rank < params.r'],
  ['the first token of a segment left out', loraGradient, 'workgroup', 'segments[adapter * 2u]; token', 'segments[adapter * 2u] + 1u; token'],
  ['a scaling of another adapter', loraProject, 'workgroup', 'scaling[adapter]', 'scaling[0]'],
  ['a key seen too early', attention, 'workgroup', '(s <= t)', '(s <= t + 1u)'],
  ['a key before the window', attention, 'workgroup', '(s >= start)', '(s + 1u >= start)'],
  ['blocks of keys from within the window on', attention, 'workgroup', '/ size * size', '/ size * size + size'],
  ['a query past the window', attentionBackwardKeyValue, 'workgroup', '(vec4u(t) < query_ends)', '(vec4u(t) <= query_ends)'],
  ['a query within the window left out', attentionBackwardKeyValue, 'workgroup', 'query < end_query;', 'query + 1u < end_query;'],
  ['a cached key within the window left out', attentionDecode, 'workgroup', 'block = start;', 'block = start + 1u;'],
  ['a maximum that does not shrink the sums', attention, 'workgroup', 'sums[i] *= shrink[i % 4u]', 'sums[i] *= shrink[0]'],
  ['keys from one past the start', attentionBackwardQuery, 'workgroup', 'at, COLUMNS);', 'at, COLUMNS) + 1u;'],
  ['a query head left out', attentionBackwardKeyValue, 'workgroup', 'h = group.y * heads;', 'h = group.y * heads + 1u;'],
  ['a slice of the cache left out', attentionDecode, 'workgroup', 's < SLICES; s++', 's < SLICES - 1u; s++'],
  ['an element of a row left out', rmsNorm, 'workgroup', 'i = local; i < params.c; i += 256u) { squares', 'i = local + 1u; i < params.c; i += 256u) { squares'],
  ['a level of the tree left out', crossEntropy, 'workgroup', 'width = 128u; width > 0u', 'width = 128u; width > 1u'],
])('notices %s in %s', async (_, op, name, right, wrong) => {
  const variant = op.variants.find((candidate: { name: string }) => candidate.name === name)!;
  expect(variant.code).toContain(right);
  const planted = { ...op, name: `planted ${op.name}`, variants: [{ ...variant, name: 'planted', code: variant.code.replaceAll(right, wrong) }] };
  const largest = async (tried: AnyOp, chosen: string) => {
    let most = 0;
    for (const sizes of op.cases) {
      if (!(variant.supports?.(opened.core.profile, sizes) ?? true)) continue;
      const inputs = drawInputs(op, sizes, 6);
      const before = drawBefore(op, sizes, 6);
      const actual = await runOnGpu(opened.core, tried, sizes, inputs, before, chosen);
      for (const [output, values] of Object.entries(op.reference(sizes, inputs, before))) {
        most = Math.max(most, relativeError(actual[output]!, values as Float64Array));
      }
      // One case that shows it is enough.
      if (most > 100 * op.tolerance.floor) return most;
    }
    return most;
  };
  expect(await largest(planted, 'planted')).toBeGreaterThan(100 * op.tolerance.floor);
}, 120_000);
