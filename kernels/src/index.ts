/** Hand-written WGSL kernels for training Llama-style transformers with packed LoRA adapters. */

export {
  ceilDiv,
  defineOp,
  elementCount,
  fold,
  selectVariant,
  type AdapterProfile,
  type AnyOp,
  type Numbers,
  type Op,
  type Operand,
  type Output,
  type Sizes,
  type Variant,
  type Workgroups,
} from './op.ts';
export { profileOf } from './profile.ts';
export { Kernels, Recording, type Bindings, type Slice } from './recording.ts';

export * from './rms-norm/index.ts';
