/**
 * The three ways a block's linear layers are computed: frozen weights alone, frozen weights with packed adapters, and
 * weights that are trained themselves. The transformer is written once over this interface.
 */

import {
  columnSum,
  loraGradient,
  loraLinear,
  loraLinearBackward,
  loraProject,
  type Recording,
  type Slice,
} from '@seal/kernels';
import type { ParameterArena } from './arena.ts';
import type { LoraPack } from './adapters/lora.ts';
import type { Model } from './model.ts';
import type { Projection } from './model-config.ts';
import { layerTensor } from './parameters.ts';
import { denseOperand, multiplyBackward, multiplyTransposed, multiplyWeightGradient, type BatchRows } from './products.ts';
import { tokensIn, type Step, type TokenRange } from './step.ts';

/** A linear layer's result. */
export interface Projected {
  /** A temporary. */
  readonly y: Slice;
  /** What its derivative reads besides x; null where that is nothing. */
  readonly saved: Slice | null;
}

/** What a derivative reads and writes: x and `saved` of the forward pass, dy, and dx where somebody needs it. */
export interface ProjectionGradient {
  readonly x: Slice;
  readonly saved: Slice | null;
  readonly dy: Slice;
  readonly dx: Slice | null;
  readonly accumulate: boolean;
}

/** Records one projection of one layer and its derivative over a range of tokens, whose rows are all that operands hold. */
export interface Linears {
  /** y = linear(x). */
  forward(record: Recording<Step>, layer: number, projection: Projection, range: TokenRange, x: Slice): Projected;
  /**
   * dx (+)= d linear. Weight gradients are the implementation's own: the range that
   * starts at 0 overwrites them, the others, in order, add to them.
   */
  backward(record: Recording<Step>, layer: number, projection: Projection, range: TokenRange, operands: ProjectionGradient): void;
}

const rowsOf = (range: TokenRange): BatchRows => ({ M: range.tokens, dynamic: (step) => ({ M: tokensIn(range, step) }) });

/** y = x W^T + bias with frozen weights; forward only. */
export function frozenLinears(model: Model): Linears {
  return {
    forward(record, layer, projection, range, x) {
      const w = model.matrix(layerTensor(layer, projection));
      const y = record.temporary(projection, range.tokens * w.rows);
      multiplyTransposed(record, rowsOf(range), x, w, y, model.bias(layer, projection));
      return { y, saved: null };
    },
    backward() {
      throw new TypeError('Cannot train frozen weights without adapters');
    },
  };
}

/** y = x W^T + bias, both trained; their gradients overwrite `gradients`. The batch must fill the capacity. */
export function trainedLinears(model: Model, gradients: ParameterArena): Linears {
  return {
    ...frozenLinears(model),
    backward(record, layer, projection, range, { x, dy, dx, accumulate }) {
      const name = layerTensor(layer, projection);
      const dw = gradients.matrix(name);
      const later = range.start > 0;
      multiplyWeightGradient(record, range.tokens, dy, x, dw, later);
      if (model.bias(layer, projection)) {
        const sums = gradients.slice(layerTensor(layer, projection, 'bias'));
        record.run(columnSum, { T: range.tokens, N: dw.rows, accumulate: Number(later) }, { x: dy, sums });
      }
      if (dx) multiplyBackward(record, rowsOf(range), dy, model.matrix(name), dx, accumulate);
    },
  };
}

/** Adapters of `pack` over frozen weights; what is saved is the low-rank projection h. */
export function adaptedLinears(model: Model, pack: LoraPack): Linears {
  const R = pack.config.rank;
  const E = pack.capacity;
  const plain = frozenLinears(model);

  /** The two matrices of a projection: which arena they are in, and where in its rows; null where it is not adapted. */
  const locate = (layer: number, projection: Projection) => {
    const place = pack.layout.places.find((one) => one.layer === layer && one.projection === projection);
    if (!place) return null;
    const { inner, out, offsetA, offsetB } = place;
    const index = pack.arenaOf(place);
    const { start, stride, parameters } = pack.arenas[index];
    const scaling = pack.scalingOf(place);
    return { inner, out, index, stride, parameters, scaling, offsetA: offsetA - start, offsetB: offsetB - start };
  };
  type Located = NonNullable<ReturnType<typeof locate>>;

  const project = (record: Recording<Step>, range: TokenRange, K: number, { stride, parameters, scaling }: Located, offset: number, x: Slice) => {
    const { tokens: T, tiles, tileCapacity, index } = range;
    const h = record.temporary('low-rank', T * R);
    const sizes = { T, K, R, E, stride, offset, tiles: tileCapacity };
    const operands = { x, arena: parameters, tiles, scaling, h };
    record.run(loraProject, sizes, operands, (step) => ({ tiles: step.tiles[index] }));
    return h;
  };
  const gradient = (record: Recording<Step>, range: TokenRange, N: number, at: Located, offset: number, h: Slice, d: Slice) => {
    const sizes = { T: range.tokens, R, N, E, stride: at.stride, offset, accumulate: Number(range.start > 0) };
    const operands = { h, d, segments: range.segments, arena: pack.trained[at.index].gradient };
    record.run(loraGradient, sizes, operands, ({ adapters }) => ({ E: adapters }));
  };

  return {
    forward(record, layer, projection, range, x) {
      const at = locate(layer, projection);
      if (!at) return plain.forward(record, layer, projection, range, x);
      const { tokens: T, blocks } = range;
      const { inner: K, out: N, stride, parameters: arena, offsetA, offsetB: offset } = at;
      const h = project(record, range, K, at, offsetA, x);
      const y = record.temporary(projection, T * N);
      const w = model.matrix(layerTensor(layer, projection));
      const bias = model.bias(layer, projection);
      const sizes = { T, K, N, R, E, stride, offset };
      const byTokens = (step: Step) => ({ T: tokensIn(range, step) });
      const whole = denseOperand(record, w, T);
      if (whole) {
        const operands = { x, w: whole, h, arena, blocks, y, ...(bias && { bias }) };
        record.run(loraLinear, { ...sizes, accumulate: 0, hasBias: Number(bias !== null) }, operands, byTokens);
      } else {
        multiplyTransposed(record, rowsOf(range), x, w, y, bias);
        record.run(loraLinear, { ...sizes, K: 0, accumulate: 1, hasBias: 0 }, { x, w: x, h, arena, blocks, y }, byTokens);
      }
      return { y, saved: h };
    },
    backward(record, layer, projection, range, { x, saved: h, dy, dx, accumulate }) {
      const at = locate(layer, projection);
      const w = model.matrix(layerTensor(layer, projection));
      if (!at) {
        if (dx) multiplyBackward(record, rowsOf(range), dy, w, dx, accumulate);
        return;
      }
      if (!h) throw new TypeError(`Cannot record the backward pass of ${projection}: its forward pass saved nothing`);
      const { tokens: T, blocks } = range;
      const { inner: K, out: N, stride, parameters: arena, offsetA: offset, offsetB } = at;
      const g = project(record, range, N, at, offsetB, dy);
      gradient(record, range, N, at, offsetB, h, dy);
      gradient(record, range, K, at, offset, g, x);
      if (!dx) return;
      const sizes = { T, K, N, R, E, stride, offset, hasBias: 0 };
      const byTokens = (step: Step) => ({ T: tokensIn(range, step) });
      const whole = denseOperand(record, w, T);
      if (whole) {
        const operands = { dy, w: whole, g, arena, blocks, dx };
        record.run(loraLinearBackward, { ...sizes, accumulate: Number(accumulate) }, operands, byTokens);
      } else {
        multiplyBackward(record, rowsOf(range), dy, w, dx, accumulate);
        record.run(loraLinearBackward, { ...sizes, N: 0, accumulate: 1 }, { dy, w: dy, g, arena, blocks, dx }, byTokens);
      }
    },
  };
}
