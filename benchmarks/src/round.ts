/**
 * The benchmark of a whole reward phase: every adapter of one ReST-EM round trained and asked, as a run does it, against
 * the same recipe in PyTorch: with PEFT one adapter at a time, and batched without PEFT.
 */

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runtimeName, type Gpu } from '@seal/device';
import { tinyConfig } from '@seal/engine';
import { loadModel, LoraPack, LoraTrainer, parseAdapterFile, readCheckpoint, type Model } from '@seal/model';
import { tinyDomain } from '@seal/tiny';
import { loraConfig, type AdaptResult, type LocalExecutor, type SealConfig } from '@seal/trainer';
import { agreementOf, GATE, PHASE, requireAgreement, type Agreement, type Trained } from './round-agreement.ts';
import { exportJobs, planOf, type AdapterPlan } from './round-export.ts';
import { openPhase, rewardJobs, type RewardJob, type RewardPhase } from './round-jobs.ts';
import { round } from './step-kernels.ts';
import { RoundPeer, type PeerAdapters, type PeerWay } from './round-peer.ts';

/** Times of one way of doing the whole phase, in seconds. */
export interface PhaseSeconds {
  readonly seconds: number;
  readonly adaptSeconds: number;
  readonly answerSeconds: number;
}

/** A peer's times, scaled to the whole phase where it did not run all of it, and how far it agrees with us. */
export interface PeerPhase extends PhaseSeconds {
  /** Its seconds over ours. */
  readonly ratio: number;
  /** Adapters that it really trained and asked. */
  readonly adaptersMeasured: number;
  readonly agreement: Agreement;
}

/** Adapters that shared a pack, and what they took; a peer's blocks ran right before and after ours. */
export interface PackTimes {
  readonly adapters: number;
  readonly seconds: number;
  readonly peftSecondsPerAdapter: number | null;
  readonly batchedSeconds: number | null;
}

/** What `benchRound` returns and `benchmarks/results` keeps. */
export interface RoundBenchmark extends PhaseSeconds {
  readonly adapter: string;
  readonly runtime: string;
  readonly commit: string | null;
  readonly model: string;
  readonly settings: RewardPhase & { readonly adapters: number; readonly questions: number; readonly inner: SealConfig['inner'] };
  /** Rewards (one of every self-edit) a minute. */
  readonly rewardsPerMinute: number;
  /** Null where PyTorch and PEFT were not run. */
  readonly peftSeconds: number | null;
  /** PEFT's seconds over ours. */
  readonly ratio: number | null;
  readonly peers: {
    readonly versions: Readonly<Record<string, string>>;
    readonly threads: number;
    readonly peft: PeerPhase;
    readonly batched: PeerPhase;
    /** PEFT against batched PyTorch: how far rounding alone takes the same recipe. */
    readonly between: Agreement;
  } | null;
  readonly packs: readonly PackTimes[];
}

export interface BenchRoundOptions {
  /** The commit measured, or null where it is not known. */
  readonly commit: string | null;
  /** Directory of the model, in Hugging Face's format. */
  readonly checkpoint: string;
  /** 24 contexts with 8 self-edits each, unless given. */
  readonly phase?: RewardPhase;
  /** The tiny preset unless given. */
  readonly config?: SealConfig;
  /** A Python that has torch, transformers and peft; no peers when absent. */
  readonly python?: string;
  /** Called with a sentence whenever something is done. */
  readonly onProgress?: (line: string) => void;
}

const WHOLE_PHASE: RewardPhase = { contexts: 24, edits: 8, seed: 0 };
/** As many threads as the anchor machine has cores. */
const THREADS = 2;
/** PEFT runs as many whole adapters as fit into about this time; the rest is scaled. */
const PEFT_SECONDS = 300;
/** Adapters whose loss is held against the peers' step by step before anything is timed. */
const GATED = 2;

/**
 * Measures a reward phase on `gpu`. Self-edits are written, kernels compiled and peers held to our results before the
 * clock starts; peers then take turns with our packs. Throws RangeError where a peer's results differ from ours.
 *
 * ```ts
 * const { seconds, rewardsPerMinute } = await benchRound(gpu, { commit: null, checkpoint: 'packages/tiny/checkpoint' });
 * ```
 */
export async function benchRound(gpu: Gpu, options: BenchRoundOptions): Promise<RoundBenchmark> {
  const { commit, checkpoint, phase = WHOLE_PHASE, config = tinyConfig, python, onProgress = () => {} } = options;
  const { contexts, edits } = phase;
  if (![contexts, edits].every((count) => Number.isInteger(count) && count >= 1)) {
    throw new RangeError(`Cannot measure ${contexts} contexts x ${edits} self-edits: both must be whole numbers >= 1`);
  }
  const stored = await readCheckpoint(checkpoint);
  const model = await loadModel(gpu, stored);
  const parts = openPhase(model, stored, config);
  const { executor, codec } = parts;
  const folder = mkdtempSync(join(tmpdir(), 'seal-bench-round-'));
  let peer: RoundPeer | null = null;
  try {
    const jobs = await rewardJobs(parts, tinyDomain, config, phase);
    const lora = loraConfig(config.inner.lora);
    const { layout } = executor.inner.pack;
    const plans = jobs.map((job) => planOf(job, layout, config.inner));
    onProgress(`${jobs.length} adapters of ${config.inner.steps} steps, ${edits} self-edits for each of ${contexts} contexts`);
    await warmUp(executor, jobs);
    if (python !== undefined) {
      exportJobs(folder, { checkpoint, lora, layout, inner: config.inner, codec, jobs, plans, threads: THREADS });
      peer = await RoundPeer.open(python, folder, layout.stride);
    }
    const peers = peer && new Peers(peer, plans, (tokens) => codec.decode(tokens));
    if (peers) onProgress(await peers.gate(await trainGated(model, config, plans)));
    const packs: PackTimes[] = [];
    const total = { seconds: 0, adaptSeconds: 0, answerSeconds: 0 };
    // Their files are where the trained values are.
    const running = executor.adapt(jobs.map(({ work }) => ({ ...work, keep: true })), {
      onProgress(progress) {
        if (progress.type === 'spent') total[progress.on === 'adapting' ? 'adaptSeconds' : 'answerSeconds'] += progress.seconds;
      },
    });
    const oursOf = ({ index, adapted, answers }: AdaptResult): Ours => ({
      index,
      values: parseAdapterFile(adapted.files?.['adapter_model.safetensors'] as Uint8Array, layout, lora.rank, `adapter ${index}`),
      answers: answers.map(({ tokens }, i) => codec.decode(tokens, jobs[index]?.work.ask[i]).trim()),
    });
    for (let start = 0; start < jobs.length; ) {
      const begun = performance.now();
      const next = await running.next();
      // The inner loop is a few steps ahead: they are ours to pay for, and must not run beside a peer.
      await gpu.device.queue.onSubmittedWorkDone();
      const seconds = (performance.now() - begun) / 1_000;
      if (next.done) throw new RangeError(`Cannot measure the phase: it ended after ${start} of ${jobs.length} adapters`);
      const pack = next.value;
      total.seconds += seconds;
      onProgress(`${pack.length} adapters in ${seconds.toFixed(1)} s`);
      const theirs = await peers?.turn(pack.map(oursOf), jobs.length, onProgress);
      packs.push({
        adapters: pack.length,
        seconds: round(seconds),
        peftSecondsPerAdapter: theirs ? round(theirs.peftSecondsPerAdapter) : null,
        batchedSeconds: theirs ? round(theirs.batchedSeconds) : null,
      });
      start += pack.length;
    }
    gpu.throwIfFailed();
    const peft = peers?.phase('peft', jobs.length, total.seconds) ?? null;
    const batched = peers?.phase('batched', jobs.length, total.seconds) ?? null;
    return {
      adapter: gpu.description.description,
      runtime: runtimeName(),
      commit,
      model: checkpoint.split('/').slice(-3).join('/'),
      settings: {
        ...phase,
        adapters: jobs.length,
        questions: jobs.reduce((sum, { work }) => sum + work.ask.length, 0),
        inner: config.inner,
      },
      seconds: round(total.seconds),
      adaptSeconds: round(total.adaptSeconds),
      answerSeconds: round(total.answerSeconds),
      rewardsPerMinute: round((60 * contexts * edits) / total.seconds),
      peftSeconds: peft && peft.seconds,
      ratio: peft && peft.ratio,
      peers: peer && peers && peft && batched && { versions: peer.versions, threads: THREADS, peft, batched, between: peers.between() },
      packs,
    };
  } finally {
    peer?.close();
    rmSync(folder, { recursive: true, force: true });
    await executor.close();
    model.destroy();
  }
}

/** Two steps and one question: every pipeline of the phase is compiled then. */
async function warmUp(executor: LocalExecutor, jobs: readonly RewardJob[]): Promise<void> {
  const short = jobs.slice(0, 1).map(({ work }) => ({ ...work, steps: 2, ask: work.ask.slice(0, 1) }));
  for await (const _ of executor.adapt(short));
}

/** The first adapters with their loss at every step: the inner loop itself tells only the first and the last. */
async function trainGated(model: Model, { inner }: SealConfig, plans: readonly AdapterPlan[]): Promise<Trained[]> {
  const gated = plans.slice(0, GATED);
  const pack = new LoraPack(model.gpu.device, model.config, loraConfig(inner.lora), inner.packSize);
  const trainer = new LoraTrainer(model, pack, { tokens: inner.tokensPerStep, steps: inner.steps });
  try {
    trainer.begin(gated.map(({ initial }) => initial));
    for (let step = 0; step < inner.steps; step++) {
      trainer.step(gated.map(({ steps }) => steps[step] ?? []), gated.map(({ learningRate }) => learningRate));
    }
    const losses = await trainer.losses();
    const values = await pack.read(gated.length);
    return gated.map(({ initial }, e) => ({
      initial,
      values: values[e] ?? new Float32Array(),
      losses: losses.map((row) => row[e] ?? NaN),
      answers: [],
    }));
  } finally {
    trainer.destroy();
    pack.destroy();
  }
}

/** An adapter of ours: the place of its job, trained values and answers as text. */
type Ours = Pick<Trained, 'values' | 'answers'> & { readonly index: number };

/** What one way has done so far. */
interface Total {
  readonly indices: number[];
  adaptSeconds: number;
  answerSeconds: number;
  readonly ours: Trained[];
  readonly theirs: Trained[];
}

/** Both PyTorch ways over one exported phase: gate, turns, totals. */
class Peers {
  #peer: RoundPeer;
  #plans: readonly AdapterPlan[];
  #decode: (tokens: readonly number[]) => string;
  #secondsPerAdapter = 0;
  #totals: Record<PeerWay, Total>;

  constructor(peer: RoundPeer, plans: readonly AdapterPlan[], decode: (tokens: readonly number[]) => string) {
    const none = (): Total => ({ indices: [], adaptSeconds: 0, answerSeconds: 0, ours: [], theirs: [] });
    this.#peer = peer;
    this.#plans = plans;
    this.#decode = decode;
    this.#totals = { peft: none(), batched: none() };
  }

  /** Holds both ways to our losses, step by step, and to our updates; warms them up. Throws RangeError. */
  async gate(ours: readonly Trained[]): Promise<string> {
    const indices = ours.map((_, i) => i);
    const told: string[] = [];
    for (const way of ['peft', 'batched'] as const) {
      const run = await this.#peer.run(way, indices);
      // Nothing was asked yet.
      const theirs = this.#trained(indices, run).map((one) => ({ ...one, answers: [] }));
      const agreement = agreementOf(ours, theirs);
      requireAgreement(way, agreement, GATE);
      told.push(`${way}: losses within ${agreement.lossDifference?.toExponential(1)}, updates ${agreement.worstUpdateRelativeL2.toExponential(1)}`);
    }
    // The first run imported and compiled; how long an adapter takes shows in a second one.
    const warm = await this.#peer.run('peft', [0]);
    this.#secondsPerAdapter = warm.adaptSeconds + warm.answerSeconds;
    return told.join('; ');
  }

  /** Runs the adapters of one of our packs: PEFT as many of them as the time allows, batched all. */
  async turn(ours: readonly Ours[], all: number, onProgress: (line: string) => void) {
    const share = Math.min(1, PEFT_SECONDS / (this.#secondsPerAdapter * all));
    const some = ours.slice(0, Math.max(1, Math.floor(share * ours.length)));
    const peftSeconds = await this.#add('peft', some);
    onProgress(`PEFT: ${some.length} adapters in ${peftSeconds.toFixed(1)} s`);
    const batchedSeconds = await this.#add('batched', ours);
    onProgress(`batched PyTorch: ${ours.length} adapters in ${batchedSeconds.toFixed(1)} s`);
    return { peftSecondsPerAdapter: peftSeconds / some.length, batchedSeconds };
  }

  async #add(way: PeerWay, ours: readonly Ours[]): Promise<number> {
    const indices = ours.map(({ index }) => index);
    const run = await this.#peer.run(way, indices);
    const total = this.#totals[way];
    total.indices.push(...indices);
    total.adaptSeconds += run.adaptSeconds;
    total.answerSeconds += run.answerSeconds;
    total.theirs.push(...this.#trained(indices, run));
    for (const { index, values, answers } of ours) {
      total.ours.push({ initial: this.#plans[index]?.initial ?? new Float32Array(), values, losses: null, answers });
    }
    return run.adaptSeconds + run.answerSeconds;
  }

  #trained(indices: readonly number[], run: PeerAdapters): Trained[] {
    return indices.map((index, i) => ({
      initial: this.#plans[index]?.initial ?? new Float32Array(),
      values: run.values[i] ?? new Float32Array(),
      losses: run.losses[i] ?? [],
      answers: (run.answers[i] ?? []).map((tokens) => this.#decode(tokens)),
    }));
  }

  /** PEFT against batched, over the adapters that both trained. */
  between(): Agreement {
    const { peft, batched } = this.#totals;
    const same = new Map(batched.indices.map((index, i) => [index, batched.theirs[i]]));
    const pairs = peft.indices.flatMap((index, i) => {
      const [one, other] = [peft.theirs[i], same.get(index)];
      return one && other ? [[one, other] as const] : [];
    });
    return agreementOf(pairs.map(([one]) => one), pairs.map(([, other]) => other));
  }

  /** The whole phase as this way would do it. Throws RangeError where its adapters are not ours. */
  phase(way: PeerWay, all: number, ourSeconds: number): PeerPhase {
    const { indices, adaptSeconds, answerSeconds, ours, theirs } = this.#totals[way];
    const agreement = agreementOf(ours, theirs);
    requireAgreement(way, agreement, PHASE);
    const scale = all / indices.length;
    const seconds = scale * (adaptSeconds + answerSeconds);
    return {
      seconds: round(seconds),
      adaptSeconds: round(scale * adaptSeconds),
      answerSeconds: round(scale * answerSeconds),
      ratio: round(seconds / ourSeconds),
      adaptersMeasured: indices.length,
      agreement,
    };
  }
}
