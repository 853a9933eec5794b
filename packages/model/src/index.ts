/** A Llama-style transformer on WebGPU. */

export { AdapterPool, PoolGenerator, type Lease, type PooledAdapter, type PoolRequest, type PoolSizes } from './adapters/adapter-pool.ts';
export { ParameterArena } from './arena.ts';
export { computedTokens, packBatch, packRows, segmentTokens, type PackedBatch, type Segment, type TokenSequence } from './batch.ts';
export {
  checkpointFiles,
  hostWeights,
  initialWeights,
  loadModel,
  quantisationConfig,
  readCheckpoint,
  readWeights,
  type Checkpoint,
  type LoadOptions,
  type TensorReport,
} from './files/checkpoint.ts';
export { largestFitting, measureCapacity, parameterCount, stepFlops, type Capacity, type CapacityRequest } from './capacity.ts';
export { configFile, parseConfig, type ModelConfig } from './config.ts';
export {
  createChatTemplate,
  parseMessages,
  type ChatMessage,
  type ChatTemplate,
  type ChatTemplateOptions,
  type ChatTokens,
  type RenderOptions,
} from './text/chat.ts';
export { CheckpointError } from './files/directory.ts';
export {
  cacheSlots,
  Generator,
  type BoundDigest,
  type Completion,
  type GenerationOptions,
  type GenerationRequest,
  type GeneratorSizes,
  type Piece,
  type TokenLogProbability,
} from './sampling/generation.ts';
export { InferencePass, scoreLogits, scoreTokens } from './sampling/inference.ts';
export {
  initialAdapter,
  loraLayout,
  LoraPack,
  type AdapterValues,
  type LoraConfig,
  type LoraLayout,
  type LoraScale,
} from './adapters/lora.ts';
export { openLlama2c, readLlama2cTokenizer } from './files/llama2c.ts';
export { mergeAdapter, mergedSource } from './adapters/merge.ts';
export { Model, type HostWeights } from './model.ts';
export { tensorFormat } from './packed.ts';
export { headTensor, layerTensor, parameterLayout, PROJECTIONS, projectionShape, type Projection } from './parameters.ts';
export { parseAdapterConfig, type AdaptedModule, type AdapterConfig } from './adapters/peft-config.ts';
export { adapterFiles, parseAdapterFile, readAdapter, type PeftAdapter } from './adapters/peft.ts';
export type { HeldFormat } from './products.ts';
export { parseSafetensors, toFloat32, writeSafetensors, type StoredTensor } from './files/safetensors.ts';
export { checkSampling, logProbabilities, mostLikely, sampleToken, type SamplingOptions } from './sampling/sampler.ts';
export { hostSource, sourceDigest, type WeightSource } from './files/sources.ts';
export { TextStream, type TextOptions, type TextPiece } from './text/text-stream.ts';
export { readTextSide, type TextSide } from './text/text-files.ts';
export { createDecodeStream, createTokenizer, type DecodeOptions, type DecodeStream, type Tokenizer } from './text/tokenizer.ts';
export { DEFAULT_OPTIMISER, FullTrainer, LoraTrainer, type OptimiserSettings, type OptimiserState } from './training.ts';
export { SHARD_BYTES, writeWeights, type StoredAs, type WrittenWeights } from './files/writing.ts';
