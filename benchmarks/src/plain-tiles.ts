/**
 * The yardstick of a whole step: the same recording with every matrix product as a plain 4 x 8 register tile with vec4
 * loads (matmul of the head, and the four products of an adapted linear layer). All other ops stay as they are chosen.
 */

import {
  ceilDiv,
  loraGradient,
  loraLinear,
  loraLinearBackward,
  loraProject,
  matmulNN,
  matmulNT,
  type AnyOp,
  type Kernels,
  type Sizes,
  type Variant,
} from '@seal/kernels';
import { PLAIN_TILE } from './cases.ts';
import plainTileEdge from './plain-tile-edge.wgsl.ts';
import plainTileGradient from './plain-tile-gradient.wgsl.ts';
import plainTileLora from './plain-tile-lora.wgsl.ts';
import plainTileProject from './plain-tile-project.wgsl.ts';

const inVec4s = (...sizes: number[]) => sizes.every((size) => size % 4 === 0);

function product(op: typeof matmulNN, transposed: boolean): AnyOp {
  const variant: Variant<keyof typeof matmulNN.params> = {
    name: PLAIN_TILE,
    code: plainTileEdge,
    constants: () => ({ TRANSPOSED: Number(transposed) }),
    supports: (_, { N, K, lda, ldc, accumulate, hasBias }) =>
      inVec4s(N, K) && lda === K && ldc === N && accumulate === 0 && hasBias === 0,
    workgroups: ({ M, N }) => [ceilDiv(N, 64), ceilDiv(M, 32)],
  };
  return { ...op, variants: [variant] };
}

function adapted(op: typeof loraLinear | typeof loraLinearBackward, backward: boolean): AnyOp {
  const variant: Variant<keyof typeof loraLinear.params> = {
    name: PLAIN_TILE,
    code: plainTileLora,
    constants: () => ({ BACKWARD: Number(backward) }),
    supports: (_, { K, N, R, stride, offset, hasBias }) => inVec4s(K, N, R, stride, offset) && hasBias === 0,
    workgroups: ({ T, K, N }) => [ceilDiv(backward ? K : N, 64), ceilDiv(T, 32)],
  };
  return { ...op, variants: [variant] };
}

const projectColumns = ({ R }: { R: number }) => Math.min(8, ceilDiv(R, 8));

/** Ops of a LoRA step that are matrix products, each with the plain tile as its only variant. */
export const plainTileOps: readonly AnyOp[] = [
  product(matmulNN, false),
  product(matmulNT, true),
  adapted(loraLinear, false),
  adapted(loraLinearBackward, true),
  {
    ...loraProject,
    variants: [
      {
        name: PLAIN_TILE,
        code: plainTileProject,
        constants: (sizes: Sizes<'R'>) => ({ COLUMNS: projectColumns(sizes) }),
        supports: (_: unknown, { K, R, stride, offset }: Sizes<'K' | 'R' | 'stride' | 'offset'>) => inVec4s(K, R, stride, offset),
        workgroups: ({ tiles, R }: Sizes<'tiles' | 'R'>) => [tiles, ceilDiv(R, 8 * projectColumns({ R }))],
      },
    ],
  },
  {
    ...loraGradient,
    variants: [
      {
        name: PLAIN_TILE,
        code: plainTileGradient,
        supports: (_: unknown, { N, R, stride, offset }: Sizes<'N' | 'R' | 'stride' | 'offset'>) => inVec4s(N, R, stride, offset),
        workgroups: ({ N, R, E }: Sizes<'N' | 'R' | 'E'>) => [ceilDiv(N, 64), ceilDiv(R, 16), E],
      },
    ],
  },
];

/** From now on `kernels` dispatches every matrix product as a plain tile; sizes that it does not serve throw RangeError. */
export function usePlainTiles(kernels: Kernels): void {
  const byName = new Map(plainTileOps.map((op) => [op.name, op]));
  const prepare = kernels.prepare.bind(kernels);
  kernels.prepare = (op, sizes, bindings, options) =>
    prepare({ ...op, variants: byName.get(op.name)?.variants ?? op.variants }, sizes, bindings, options);
}
