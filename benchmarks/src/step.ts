/**
 * The benchmark of one training step of the tiny model: its throughput packed, packed against solo runs, against the same
 * step with plain tiles, the host's share of it, and what it leaves behind in memory.
 */

import { runtimeName, type Gpu } from '@seal/device';
import { tinyConfig } from '@seal/engine';
import {
  computedTokens,
  loadModel,
  LoraPack,
  LoraTrainer,
  packBatch,
  readCheckpoint,
  segmentTokens,
  type AdapterValues,
  type Checkpoint,
  type Model,
  type Segment,
} from '@seal/model';
import { tinyDomain } from '@seal/tiny';
import { InnerLoop, loraConfig, quantile, type SealConfig } from '@seal/trainer';
import { usePlainTiles } from './plain-tiles.ts';
import { relativeL2 } from './round-agreement.ts';
import { planOf, type AdapterPlan } from './round-export.ts';
import { openPhase, rewardJobs, type RewardJob, type RewardPhase } from './round-jobs.ts';
import { dispatchesOf, median, round, stepCosts, stepFlops, stepKernels, type StepKernel } from './step-kernels.ts';
import { countUse, memoryGrowth, type MemoryGrowth } from './step-memory.ts';

/** Samples of one quantity: their middle, and the distance between their quartiles. */
export interface Spread {
  readonly median: number;
  readonly spread: number;
  readonly samples: number;
}

/** Why packing cannot gain more than this on this adapter. */
export interface PackedCeiling {
  /** A solo run's measured time over the least time of the packed one. */
  readonly speedup: number;
  /** Of a dispatch that computes next to nothing. */
  readonly dispatchMicroseconds: number;
  readonly dispatches: number;
  /** The rate of the chosen matmul on 2,048 rows. */
  readonly matmulGflops: number;
  /** Matrix products of the packed step, in 10^9 operations. */
  readonly stepGflop: number;
  /** All products at that rate and every dispatch at that cost; attention and row operations count nothing. */
  readonly leastStepMs: number;
}

/** What `benchStep` returns and `benchmarks/results` keeps. */
export interface StepBenchmark {
  readonly adapter: string;
  readonly runtime: string;
  readonly commit: string | null;
  readonly settings: RewardPhase & {
    readonly adapters: number;
    readonly packedTokens: number;
    readonly soloTokens: number;
    readonly steps: number;
    readonly turns: number;
    readonly lora: SealConfig['inner']['lora'];
  };
  /** Tokens of documents, padding not counted, that the packed step trains on in a second. */
  readonly tokensPerSecond: number;
  /** Tokens computed and masked, over all that the packed step computes. */
  readonly paddingShare: number;
  /** Wall clock of one adapter after the other over that of all at once. */
  readonly packedSpeedup: number;
  /** Of the adapter whose update differs most. */
  readonly packedVsSoloRelativeL2: number;
  readonly packedCeiling: PackedCeiling;
  /** The step with plain tiles over the step as it is. */
  readonly plainTileSpeedup: number;
  /** Host time to pack, write, encode and submit a step, over the time until it is done. */
  readonly encodeFraction: number;
  readonly submitsPerStep: number;
  /** On the GPU and on the host together, over `memory.steps` warm steps. */
  readonly bytesGrown: number;
  readonly milliseconds: {
    readonly packedStep: Spread;
    readonly soloStep: Spread;
    readonly plainTileStep: Spread;
    readonly host: Spread;
    readonly packedRun: Spread;
    readonly soloRuns: Spread;
  };
  readonly memory: MemoryGrowth;
  /** Where the packed step's time goes. */
  readonly kernels: readonly StepKernel[];
}

export interface BenchStepOptions {
  /** The commit measured, or null where it is not known. */
  readonly commit: string | null;
  /** Directory of the model, in Hugging Face's format. */
  readonly checkpoint: string;
  /** Where the documents come from; as many adapters as fit into a pack take part. */
  readonly phase?: RewardPhase;
  /** The tiny preset unless given. */
  readonly config?: SealConfig;
  /** How much is measured. */
  readonly effort?: {
    /** Steps of a run of packed or solo adapters. */
    readonly steps: number;
    /** Packed and solo runs, each. */
    readonly runs: number;
    /** Single steps of each kind. */
    readonly turns: number;
    /** Warm steps over which memory must not grow. */
    readonly memorySteps: number;
  };
  /** Called with a sentence whenever something is done. */
  readonly onProgress?: (line: string) => void;
}

/** Tokens of the single step. */
const SOLO_TOKENS = 512;
/** Losses of three steps with other tiles differ by rounding alone. */
const LOSS_GATE = 1e-5;

/**
 * Measures a training step on `gpu`. Everything that is compared takes turns in this process. Throws RangeError where the
 * step with plain tiles computes something else.
 *
 * ```ts
 * const { packedSpeedup } = await benchStep(gpu, { commit: null, checkpoint: 'packages/tiny/checkpoint' });
 * ```
 */
export async function benchStep(gpu: Gpu, options: BenchStepOptions): Promise<StepBenchmark> {
  const {
    commit,
    checkpoint,
    phase = { contexts: 16, edits: 8, seed: 0 },
    config = tinyConfig,
    effort = { steps: 8, runs: 5, turns: 15, memorySteps: 4_000 },
    onProgress = () => {},
  } = options;
  const { inner } = config;
  const stored = await readCheckpoint(checkpoint);
  const { jobs, plans, model } = await work(gpu, stored, config, phase);
  try {
    const packed = await packedSteps(model, config, plans, effort.turns);
    onProgress(`Packed step of ${plans.length} adapters: ${packed.ms.median.toFixed(1)} ms`);
    const runs = await packedAgainstSolo(model, config, jobs, plans, effort.steps, effort.runs);
    onProgress(`Packed ${runs.speedup.toFixed(2)} x solo runs`);
    const single = await ownAgainstPlainTiles(gpu, stored, model, config, plans, effort.turns);
    onProgress(`One step of ${SOLO_TOKENS} tokens: ${single.own.median.toFixed(1)} ms, ${single.speedup.toFixed(2)} x plain tiles`);
    const memory = await memoryGrowth(gpu, effort.memorySteps);
    onProgress(`${memory.steps} steps: ${memory.gpuBytes} bytes more on the GPU, ${memory.hostBytes} on the host`);
    const costs = await stepCosts(gpu, model.kernels, model.config);
    const flops = stepFlops(model.config, packed.layout, inner.lora.rank, packed.tokens);
    const leastStepMs = flops / costs.matmulGflops / 1e6 + packed.dispatches * costs.dispatchMs;
    gpu.throwIfFailed();
    return {
      adapter: gpu.description.description,
      runtime: runtimeName(),
      commit,
      settings: {
        ...phase,
        adapters: plans.length,
        packedTokens: packed.tokens,
        soloTokens: SOLO_TOKENS,
        steps: effort.steps,
        turns: effort.turns,
        lora: inner.lora,
      },
      tokensPerSecond: round((1_000 * packed.content) / packed.ms.median),
      paddingShare: round(1 - packed.content / packed.computed),
      packedSpeedup: round(runs.speedup),
      packedVsSoloRelativeL2: runs.relativeL2,
      packedCeiling: {
        speedup: round(runs.solo.median / effort.steps / leastStepMs),
        dispatchMicroseconds: round(1_000 * costs.dispatchMs),
        dispatches: packed.dispatches,
        matmulGflops: round(costs.matmulGflops),
        stepGflop: round(flops / 1e9),
        leastStepMs: round(leastStepMs),
      },
      plainTileSpeedup: round(single.speedup),
      encodeFraction: round(single.encodeFraction),
      submitsPerStep: single.submitsPerStep,
      bytesGrown: memory.gpuBytes + memory.hostBytes,
      milliseconds: {
        packedStep: packed.ms,
        soloStep: single.own,
        plainTileStep: single.plain,
        host: single.host,
        packedRun: runs.packed,
        soloRuns: runs.solo,
      },
      memory,
      kernels: packed.kernels,
    };
  } finally {
    model.destroy();
  }
}

/** The first jobs of a reward phase that share a pack, with the plan of each, and the model they run on. */
async function work(gpu: Gpu, stored: Checkpoint, config: SealConfig, phase: RewardPhase) {
  const model = await loadModel(gpu, stored);
  const parts = openPhase(model, stored, config);
  const { executor } = parts;
  try {
    const jobs = (await rewardJobs(parts, tinyDomain, config, phase)).slice(0, config.inner.packSize);
    return { jobs, plans: jobs.map((job) => planOf(job, executor.inner.pack.layout, config.inner)), model };
  } finally {
    await executor.close();
  }
}

/** One step, and how long the host and the device took; nothing else is under way. */
async function timedStep({ gpu }: Model, trainer: LoraTrainer, segments: readonly Segment[], rate: number) {
  const begun = performance.now();
  trainer.step(segments, segments.map(() => rate));
  const submitted = performance.now();
  await gpu.device.queue.onSubmittedWorkDone();
  return { host: submitted - begun, whole: performance.now() - begun };
}

/** The first packed step of all adapters, over and over. */
async function packedSteps(model: Model, { inner }: SealConfig, plans: readonly AdapterPlan[], turns: number) {
  const segments = plans.map(({ steps }) => steps[0] ?? []);
  const batch = packBatch(segments);
  const pack = new LoraPack(model.gpu.device, model.config, loraConfig(inner.lora), plans.length);
  const trainer = new LoraTrainer(model, pack, { tokens: inner.tokensPerStep, steps: turns + 2 });
  try {
    trainer.begin(plans.map(({ initial }) => initial));
    const samples: number[] = [];
    for (let turn = 0; turn < turns + 2; turn++) {
      const { whole } = await timedStep(model, trainer, segments, inner.learningRate);
      if (turn >= 2) samples.push(whole);
    }
    const rates = plans.map(() => inner.learningRate);
    const dispatches = dispatchesOf(model.gpu.device, () => void trainer.step(segments, rates));
    const kernels = await stepKernels(model.gpu, dispatches);
    const { tokenCount: tokens, contentCount: content } = batch;
    const computed = computedTokens(batch);
    return { ms: spreadOf(samples), tokens, content, computed, kernels, layout: pack.layout, dispatches: dispatches.length };
  } finally {
    trainer.destroy();
    pack.destroy();
  }
}

/** Runs of all adapters at once and one after the other, in turns; every adapter trains on the same tokens in both. */
async function packedAgainstSolo(
  model: Model,
  { inner }: SealConfig,
  jobs: readonly RewardJob[],
  plans: readonly AdapterPlan[],
  steps: number,
  runs: number,
) {
  const longest = Math.max(...plans.flatMap((plan) => plan.steps.map(segmentTokens)));
  const loop = (packSize: number, tokensPerStep: number) =>
    new InnerLoop(model, loraConfig(inner.lora), { packSize, tokensPerStep }, inner);
  const together = loop(jobs.length, inner.tokensPerStep);
  const alone = loop(1, Math.max(64, longest));
  const adaptations = jobs.map(({ work }) => ({ ...work, steps }));
  const runPacked = async () => {
    const adapted = await together.adapt(adaptations);
    if (adapted.length < jobs.length) {
      throw new RangeError(`Cannot pack ${jobs.length} adapters into ${inner.tokensPerStep} tokens: ${adapted.length} fit`);
    }
    return adapted.map(({ values }) => values);
  };
  const runSolo = async () => {
    const trained: AdapterValues[] = [];
    for (const adaptation of adaptations) trained.push(...(await alone.adapt([adaptation])).map(({ values }) => values));
    return trained;
  };
  try {
    const [warm] = adaptations;
    if (warm) for (const one of [together, alone]) await one.adapt([{ ...warm, steps: 2 }]);
    const times: { readonly packed: number; readonly solo: number }[] = [];
    let worst = 0;
    for (let run = 0; run < runs; run++) {
      const begun = performance.now();
      const packed = await runPacked();
      const between = performance.now();
      const solo = await runSolo();
      times.push({ packed: between - begun, solo: performance.now() - between });
      for (const [e, values] of solo.entries()) {
        const { initial } = plans[e] ?? { initial: new Float32Array() };
        worst = Math.max(worst, relativeL2({ initial, values }, packed[e] ?? new Float32Array()));
      }
    }
    return {
      speedup: median(times.map(({ packed, solo }) => solo / packed)),
      relativeL2: worst,
      packed: spreadOf(times.map(({ packed }) => packed)),
      solo: spreadOf(times.map(({ solo }) => solo)),
    };
  } finally {
    together.destroy();
    alone.destroy();
  }
}

/** One adapter's step of `SOLO_TOKENS` tokens with the chosen kernels and with plain tiles, in turns. */
async function ownAgainstPlainTiles(
  gpu: Gpu,
  stored: Checkpoint,
  model: Model,
  { inner }: SealConfig,
  plans: readonly AdapterPlan[],
  turns: number,
) {
  const plainModel = await loadModel(gpu, stored);
  usePlainTiles(plainModel.kernels);
  const segments = [filled(plans, SOLO_TOKENS)];
  const make = (on: Model) => {
    const pack = new LoraPack(gpu.device, on.config, loraConfig(inner.lora), 1);
    return { pack, trainer: new LoraTrainer(on, pack, { tokens: SOLO_TOKENS, steps: turns + 3 }) };
  };
  const own = make(model);
  const plain = make(plainModel);
  const counted = countUse(gpu.device);
  try {
    for (const { trainer } of [own, plain]) {
      trainer.begin(plans.slice(0, 1).map(({ initial }) => initial));
      for (let step = 0; step < 3; step++) await timedStep(model, trainer, segments, inner.learningRate);
    }
    const [ours, theirs] = await Promise.all([own.trainer.losses(), plain.trainer.losses()]);
    ours.forEach(([loss = NaN], step) => {
      const difference = Math.abs(loss - (theirs[step]?.[0] ?? NaN)) / loss;
      if (difference <= LOSS_GATE) return;
      throw new RangeError(`Cannot time the step with plain tiles: its loss at step ${step} differs by ${difference.toExponential(1)}`);
    });
    const times: { readonly own: number; readonly plain: number; readonly host: number }[] = [];
    let submits = 0;
    for (let turn = 0; turn < turns; turn++) {
      const before = counted.submits();
      const { host, whole } = await timedStep(model, own.trainer, segments, inner.learningRate);
      submits += counted.submits() - before;
      const yardstick = await timedStep(plainModel, plain.trainer, segments, inner.learningRate);
      times.push({ own: whole, plain: yardstick.whole, host });
    }
    return {
      speedup: median(times.map((time) => time.plain / time.own)),
      encodeFraction: median(times.map((time) => time.host / time.own)),
      submitsPerStep: submits / turns,
      own: spreadOf(times.map((time) => time.own)),
      plain: spreadOf(times.map((time) => time.plain)),
      host: spreadOf(times.map((time) => time.host)),
    };
  } finally {
    counted.stop();
    for (const { pack, trainer } of [own, plain]) {
      trainer.destroy();
      pack.destroy();
    }
    plainModel.destroy();
  }
}

/** Documents of all plans, one after another, until they have exactly `tokens` tokens; the last one is cut. */
function filled(plans: readonly AdapterPlan[], tokens: number): Segment {
  const segment: Segment[number][] = [];
  let missing = tokens;
  for (const document of plans.flatMap(({ steps }) => steps.flat())) {
    if (missing === 0) break;
    const length = Math.min(missing, document.tokens.length);
    const { targetWeights } = document;
    segment.push({
      tokens: Array.from(document.tokens).slice(0, length),
      ...(targetWeights && { targetWeights: Array.from(targetWeights).slice(0, length) }),
    });
    missing -= length;
  }
  if (missing > 0) throw new RangeError(`Cannot fill a step of ${tokens} tokens: the documents have ${tokens - missing}`);
  return segment;
}

function spreadOf(samples: readonly number[]): Spread {
  const sorted = samples.toSorted((a, b) => a - b);
  return {
    median: round(quantile(sorted, 0.5)),
    spread: round(quantile(sorted, 0.75) - quantile(sorted, 0.25)),
    samples: samples.length,
  };
}
