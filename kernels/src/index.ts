/** Hand-written WGSL kernels for training Llama-style transformers with packed LoRA adapters. */

export {
  ceilDiv,
  defineOp,
  elementCount,
  fold,
  type AdapterProfile,
  type AnyOp,
  type Numbers,
  type Op,
  type Operand,
  type Output,
  type Requirement,
  type Sizes,
  type SubgroupMatrixConfig,
  type Variant,
  type Workgroups,
} from './op.ts';
export { canRun, enableLines, selectVariant, type Choice, type ChoiceOptions } from './choice.ts';
export { drawOperands, uniformFrom } from './draw.ts';
export { operandsOf } from './half.ts';
export { profileOf } from './profile.ts';
export { BLOCK_FORMATS, packSteps, type BlockFormat } from './block-format.ts';
export {
  dequantiseRows,
  GROUP,
  HELD_FORMATS,
  isBlockFormat,
  quantisedShape,
  quantiseRows,
  WEIGHT_FORMATS,
  type HeldFormat,
  type QuantisedRows,
  type WeightFormat,
} from './weight-format.ts';
export {
  Kernels,
  part,
  Recording,
  type Bindings,
  type PlannedMemory,
  type Slice,
  type Temporary,
} from './recording.ts';

export * from './rms-norm/index.ts';
export * from './matmul/index.ts';
export * from './embedding/index.ts';
export * from './rope/index.ts';
export * from './swiglu/index.ts';
export * from './geglu/index.ts';
export * from './add/index.ts';
export * from './scale/index.ts';
export * from './gather-rows/index.ts';
export * from './scatter-rows/index.ts';
export * from './lora-linear/index.ts';
export * from './cross-entropy/index.ts';
export * from './segment-sum/index.ts';
export * from './squared-norm/index.ts';
export * from './adamw/index.ts';
export * from './argmax/index.ts';
export * from './attention/index.ts';
export * from './attention-decode/index.ts';
export * from './kv-cache/index.ts';
export * from './dequantise/index.ts';
export * from './quantised-embedding/index.ts';
export * from './quantised-matmul/index.ts';
export * from './column-sum/index.ts';
