/** A Llama-style transformer on WebGPU. */

export { AdapterPool, type Lease, type PooledAdapter, type PoolSizes } from './adapters/adapter-pool.ts';
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
export { configFile, parseConfig } from './config.ts';
export type { ModelConfig } from './model-config.ts';
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
export { PoolGenerator, type PoolRequest } from './sampling/pool-generator.ts';
export { InferencePass, scoreTokens } from './sampling/inference.ts';
export { Scorer, type ScoredText } from './sampling/scorer.ts';
export {
  initialAdapter,
  loraLayout,
  LoraPack,
  loraScaling,
  scaleOf,
  type AdaptedModule,
  type AdapterValues,
  type LoraConfig,
  type LoraLayout,
  type LoraScale,
} from './adapters/lora.ts';
export { openLlama2c, readLlama2cTokenizer } from './files/llama2c.ts';
export { mergeAdapter, mergedSource } from './adapters/merge.ts';
export { Model, type HostWeights } from './model.ts';
export { tensorFormat } from './quantised.ts';
export { headTensor, layerTensor, parameterLayout, projectionShape } from './parameters.ts';
export { PROJECTIONS, type Projection } from './model-config.ts';
export { parseAdapterConfig, type AdapterConfig } from './adapters/peft-config.ts';
export { adapterFiles, parseAdapterFile, readAdapter, type PeftAdapter } from './adapters/peft.ts';
export { holdingName, type HeldFormat, type Holding, type WeightFormat } from './matrix.ts';
export { parseSafetensors, toFloat32, writeSafetensors, type StoredTensor } from './files/safetensors.ts';
export { checkSampling, logProbabilities, mostLikely, sampleToken, type SamplingOptions } from './sampling/sampler.ts';
export type { WeightSource } from './files/sources.ts';
export { DEFAULT_OPTIMISER, FullTrainer, LoraTrainer, type OptimiserSettings, type OptimiserState } from './training.ts';
export { SHARD_BYTES, writeWeights, type StoredAs, type WrittenWeights } from './files/writing.ts';
export { readAdapterDirectory } from './adapters/adapter-directory.ts';
export { companionsOf, configJson } from './files/companions.ts';
export { generationSettings, type ChosenSettings, type GenerationSettings } from './files/generation-config.ts';
export {
  float32Config,
  numberDtype,
  originalOf,
  originalOfLlama2c,
  writeModel,
  type NumberDtype,
  type Original,
} from './files/rewriting.ts';
export { continueTokens, type ContinuationRequest } from './sampling/continuing.ts';
export { ggufAdapter } from './adapters/gguf-adapter.ts';
export { GGUF_DTYPES, ggufMetadata, ggufTensors, type GgufDtype, type GgufModel } from './files/gguf-writing.ts';
export { textDocuments } from './files/text-documents.ts';
