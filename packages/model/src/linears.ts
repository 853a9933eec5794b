/**
 * The three ways a block's linear layers are computed: frozen weights alone, frozen weights with packed adapters, and
 * weights that are trained themselves. The transformer is written once over this interface.
 */

import {
  loraGradient,
  loraLinear,
  loraLinearBackward,
  loraProject,
  type Recording,
  type Slice,
} from '@seal/kernels';
import type { LoraPack, LoraPlace } from './lora.ts';
import type { ParameterArena } from './arena.ts';
import type { Model } from './model.ts';
import { layerTensor, type Projection } from './parameters.ts';
import { denseOperand, multiplyBackward, multiplyTransposed, multiplyWeightGradient, type BatchRows } from './products.ts';

/** What changes from step to step within the recorded capacity. */
export interface Step {
  /** Tokens in the batch. */
  readonly tokens: number;
  /** Tiles of the batch's adapters. */
  readonly tiles: number;
  /** Adapters in the batch. */
  readonly adapters: number;
  /** Rows that the head is computed for. */
  readonly rows: number;
  /** Rows written to the key/value cache. */
  readonly cached: number;
  /** Number of the step, from 0. */
  readonly index: number;
}

/** Tables of a batch that adapters need. */
export interface AdapterTables {
  readonly blocks: GPUBuffer;
  readonly tiles: GPUBuffer;
  readonly segments: GPUBuffer;
  /** Most tiles a batch may have. */
  readonly tileCapacity: number;
}

/** Records one projection of one layer and its derivative. Operands hold `tokens` rows. */
export interface Linears {
  /** linear(x), a temporary. */
  forward(record: Recording<Step>, layer: number, projection: Projection, x: Slice): Slice;
  /** dx (+)= d linear; dx may be null where nobody needs it. Weight gradients are the implementation's own. */
  backward(
    record: Recording<Step>,
    layer: number,
    projection: Projection,
    operands: { readonly x: Slice; readonly dy: Slice; readonly dx: Slice | null; readonly accumulate: boolean },
  ): void;
}

const byTokens = ({ tokens }: Step) => ({ T: tokens });
const rowsOf = (tokens: number): BatchRows => ({ M: tokens, dynamic: (step) => ({ M: step.tokens }) });
const byTiles = ({ tiles }: Step) => ({ tiles });

/** y = x W^T + bias with frozen weights; forward only. */
export function frozenLinears(model: Model, tokens: number): Linears {
  return {
    forward(record, layer, projection, x) {
      const w = model.matrix(layerTensor(layer, projection));
      const y = record.temporary(projection, tokens * w.rows);
      multiplyTransposed(record, rowsOf(tokens), x, w, y, model.bias(layer, projection));
      return y;
    },
    backward() {
      throw new TypeError('Cannot train frozen weights without adapters');
    },
  };
}

/** y = x W^T with trained weights; their gradients overwrite `gradients`. The batch must fill the capacity. */
export function trainedLinears(model: Model, gradients: ParameterArena, tokens: number): Linears {
  return {
    ...frozenLinears(model, tokens),
    backward(record, layer, projection, { x, dy, dx, accumulate }) {
      const name = layerTensor(layer, projection);
      multiplyWeightGradient(record, tokens, dy, x, gradients.matrix(name), false);
      if (dx) multiplyBackward(record, rowsOf(tokens), dy, model.matrix(name), dx, accumulate);
    },
  };
}

/** Adapters of `pack` over frozen weights. A backward pass uses the projections h of the last forward pass recorded. */
export function adaptedLinears(model: Model, pack: LoraPack, tables: AdapterTables, tokens: number): Linears {
  const R = pack.config.rank;
  const E = pack.capacity;
  const { places } = pack.layout;
  const plain = frozenLinears(model, tokens);
  const find = (layer: number, projection: Projection) =>
    places.find((place) => place.layer === layer && place.projection === projection);
  const saved = new Map<LoraPlace, Slice>();

  /** Where the two matrices of a place lie: the arena, and offsets in its rows. */
  const locate = (place: LoraPlace) => {
    const index = pack.arenaOf(place);
    const { start, stride, parameters } = pack.arenas[index];
    return { index, stride, parameters, offsetA: place.offsetA - start, offsetB: place.offsetB - start };
  };
  const project = (record: Recording<Step>, K: number, { stride, parameters }: ReturnType<typeof locate>, offset: number, x: Slice) => {
    const h = record.temporary('low-rank', tokens * R);
    record.run(
      loraProject,
      { T: tokens, K, R, E, stride, offset, tiles: tables.tileCapacity },
      { x, arena: parameters, tiles: tables.tiles, scaling: pack.scaling, h },
      byTiles,
    );
    return h;
  };
  const gradient = (record: Recording<Step>, N: number, { index, stride }: ReturnType<typeof locate>, offset: number, h: Slice, d: Slice) =>
    record.run(
      loraGradient,
      { T: tokens, R, N, E, stride, offset, accumulate: 0 },
      { h, d, segments: tables.segments, arena: pack.trained[index].gradient },
      ({ adapters }) => ({ E: adapters }),
    );

  return {
    forward(record, layer, projection, x) {
      const place = find(layer, projection);
      if (!place) return plain.forward(record, layer, projection, x);
      const at = locate(place);
      const { stride } = at;
      const h = project(record, place.inner, at, at.offsetA, x);
      saved.set(place, h);
      const y = record.temporary(projection, tokens * place.out);
      const w = model.matrix(layerTensor(layer, projection));
      const bias = model.bias(layer, projection);
      const sizes = { T: tokens, K: place.inner, N: place.out, R, E, stride, offset: at.offsetB };
      const lowRank = { h, arena: at.parameters, blocks: tables.blocks };
      const whole = denseOperand(record, w, tokens);
      if (whole) {
        const operands = { x, w: whole, ...lowRank, y, ...(bias && { bias }) };
        record.run(loraLinear, { ...sizes, accumulate: 0, hasBias: Number(bias !== null) }, operands, byTokens);
      } else {
        multiplyTransposed(record, rowsOf(tokens), x, w, y, bias);
        record.run(loraLinear, { ...sizes, K: 0, accumulate: 1, hasBias: 0 }, { x, w: x, ...lowRank, y }, byTokens);
      }
      return y;
    },
    backward(record, layer, projection, { x, dy, dx, accumulate }) {
      const place = find(layer, projection);
      const w = model.matrix(layerTensor(layer, projection));
      if (!place) {
        if (dx) multiplyBackward(record, rowsOf(tokens), dy, w, dx, accumulate);
        return;
      }
      const h = saved.get(place);
      if (!h) throw new TypeError(`Cannot record the backward pass of ${projection}: its forward pass comes first`);
      const at = locate(place);
      const { stride } = at;
      const g = project(record, place.out, at, at.offsetB, dy);
      gradient(record, place.out, at, at.offsetB, h, dy);
      gradient(record, place.inner, at, at.offsetA, g, x);
      if (!dx) return;
      const sizes = { T: tokens, K: place.inner, N: place.out, R, E, stride, offset: at.offsetA, hasBias: 0 };
      const lowRank = { g, arena: at.parameters, blocks: tables.blocks };
      const whole = denseOperand(record, w, tokens);
      if (whole) {
        const operands = { dy, w: whole, ...lowRank, dx };
        record.run(loraLinearBackward, { ...sizes, accumulate: Number(accumulate) }, operands, byTokens);
      } else {
        multiplyBackward(record, rowsOf(tokens), dy, w, dx, accumulate);
        record.run(loraLinearBackward, { ...sizes, N: 0, accumulate: 1 }, { dy, w: dy, ...lowRank, dx }, byTokens);
      }
    },
  };
}
