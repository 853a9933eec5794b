/** The tuner: which variant of each op is fastest on this adapter, at the shapes that a model will use. */

import type { Gpu } from '@seal/device';
import {
  adamw,
  canRun,
  crossEntropy,
  Kernels,
  matmulNN,
  matmulNT,
  matmulTN,
  rmsNorm,
  rmsNormBackward,
  swiglu,
  swigluBackward,
  type AdapterProfile,
  type AnyOp,
  type Choice,
  type Variant,
} from '@seal/kernels';
import type { LlamaConfig } from '@seal/model';
import { attentionCases, elementwise, loraCases, type BenchCase } from './cases.ts';
import { measureCase } from './measure.ts';
import { Stopwatch } from './stopwatch.ts';
import { speedOver } from './turns.ts';

/** The sizes of a model that its ops run at. */
export type ModelSizes = Pick<
  LlamaConfig,
  'hiddenSize' | 'intermediateSize' | 'numAttentionHeads' | 'numKeyValueHeads' | 'headDim' | 'vocabSize'
>;

/** What was measured at one op and shape. */
export interface Finding {
  readonly choice: Choice;
  readonly shape: string;
  /** The variant that runs where nothing was measured. */
  readonly fallback: string;
  /** Its time over the chosen one's, turn by turn; 1 where they are the same. */
  readonly gain: number;
  /** Milliseconds of every variant. */
  readonly milliseconds: Readonly<Record<string, number>>;
}

export interface TuneOptions {
  /** Token counts of a step; 512 and 4,096 unless given. */
  readonly tokens?: readonly number[];
  /** Measures variants that round operands to f16 too. */
  readonly halfOperands?: boolean;
  readonly turns?: number;
  readonly onFinding?: (finding: Finding) => void;
}

const TOKENS = [512, 4_096];
const RANK = 16;
/** Adapters that share the tokens of a step; each has segments of whole tiles. */
const ADAPTERS = 8;
/** Tokens of a sequence: those of a passage with its questions. */
const SEQUENCE = 128;
/** Logits are computed in chunks of about this many. */
const LOGITS = 2 ** 22;
/** Products beyond this have no float64 reference: it would take longer than tuning. */
const REFERENCE_FLOPS = 5e8;
/** What another variant must gain before it displaces the default: less is noise, and may be other bits for nothing. */
const WORTHWHILE = 1.05;

/** Every op at the shapes of a model that holds `tokens` tokens in a step; nothing twice. */
export function tuneCases(sizes: ModelSizes, tokens: number): BenchCase[] {
  const { hiddenSize: C, intermediateSize: F, numAttentionHeads, numKeyValueHeads, headDim, vocabSize: V } = sizes;
  const T = Math.max(ADAPTERS * 8, tokens - (tokens % (ADAPTERS * 8)));
  const chunk = Math.max(8, Math.min(T, Math.floor(LOGITS / V / 8) * 8));
  const linears = [
    [C, numAttentionHeads * headDim],
    [C, numKeyValueHeads * headDim],
    [numAttentionHeads * headDim, C],
    [C, F],
    [F, C],
  ] as const;
  const decay = T * C;
  const cases: BenchCase[] = [
    ...linears.flatMap(([K, N]) => [
      product(matmulNT, 'nt', T, N, K),
      product(matmulNN, 'nn', T, K, N),
      product(matmulTN, 'tn', N, K, T),
      ...loraCases(T, K, N, ADAPTERS, RANK),
    ]),
    product(matmulNT, 'nt', chunk, V, C),
    product(matmulNN, 'nn', chunk, C, V),
    ...attentionCases(T, Math.min(T, SEQUENCE), [numAttentionHeads, numKeyValueHeads, headDim]),
    elementwise(rmsNorm, `T=${T} C=${C}`, { T, C, eps: 1e-5 }, T * C, 4),
    elementwise(rmsNormBackward, `T=${T} C=${C}`, { T, C }, T * C, 7),
    elementwise(swiglu, `T=${T} F=${F}`, { T, F }, T * F, 5),
    elementwise(swigluBackward, `T=${T} F=${F}`, { T, F }, T * F, 11),
    elementwise(crossEntropy, `T=${chunk} V=${V}`, { T: chunk, V }, chunk * V, 7),
    {
      ...elementwise(
        adamw,
        `E=${ADAPTERS} P=${decay}`,
        { E: ADAPTERS, P: decay, beta1: 0.9, beta2: 0.999, eps: 1e-8, weightDecay: 0, decayElements: decay, maxNorm: 1 },
        ADAPTERS * decay,
        14,
      ),
      inputs: {
        squaredNorm: new Float64Array(ADAPTERS).fill(4),
        schedule: Float64Array.from({ length: 4 * ADAPTERS }, (_, i) => [1e-3, 0.1, 0.001, 1].at(i % 4) ?? 0),
      },
    },
  ];
  const known = new Map(cases.map((one) => [`${one.op.name} ${one.shape}`, one]));
  return [...known.values()].map((one) => (one.flops > REFERENCE_FLOPS ? { ...one, large: true } : one));
}

function product(op: AnyOp, layout: 'nn' | 'nt' | 'tn', M: number, N: number, K: number): BenchCase {
  const sizes = { M, N, K, accumulate: 0, hasBias: 0, lda: layout === 'tn' ? M : K, ldc: N };
  return { op, layout, shape: `${M}x${N}x${K}`, sizes, inputs: {}, flops: 2 * M * N * K };
}

/** The variants that may be chosen at a case. */
function allowed({ op, sizes }: BenchCase, profile: AdapterProfile, halfOperands: boolean): string[] {
  return op.variants
    .filter((variant: Variant<string>) => canRun(variant, profile, sizes) && (halfOperands || !variant.halfOperands))
    .map(({ name }) => name);
}

/**
 * Holds every variant to its reference and measures it, for each op that has more than one here. Throws RangeError when
 * a variant computes something else, or when no token count makes sense.
 */
export async function tuneKernels(gpu: Gpu, sizes: ModelSizes, options: TuneOptions = {}): Promise<Finding[]> {
  const { tokens = TOKENS, halfOperands = false, turns = 7, onFinding } = options;
  const wrong = tokens.find((count) => !Number.isInteger(count) || count < 1);
  if (tokens.length === 0 || wrong !== undefined) {
    throw new RangeError(`Cannot tune for ${wrong ?? 'no'} tokens: give whole numbers >= 1`);
  }
  const kernels = new Kernels(gpu.device, gpu.description);
  const watch = new Stopwatch(gpu);
  const findings: Finding[] = [];
  try {
    for (const one of tokens.flatMap((count) => tuneCases(sizes, count))) {
      if (!bindable(one, gpu.description)) continue;
      const only = allowed(one, gpu.description, halfOperands);
      if (only.length < 2) continue;
      const { variants } = await measureCase({ gpu, kernels, watch, turns }, one, { only });
      const fallback = kernels.variantOf(one.op, one.sizes).name;
      const usual = variants.find(({ name }) => name === fallback);
      const fastest = variants.reduce((a, b) => (b.medianMs < a.medianMs ? b : a));
      if (!usual) throw new TypeError(`Cannot tune ${one.op.name}: its default ${fallback} was not measured`);
      const gain = speedOver(fastest, usual);
      const chosen = gain > WORTHWHILE ? fastest : usual;
      const finding: Finding = {
        choice: { op: one.op.name, sizes: one.sizes, variant: chosen.name },
        shape: one.shape,
        fallback,
        gain: chosen === usual ? 1 : Number(gain.toPrecision(4)),
        milliseconds: Object.fromEntries(variants.map(({ name, medianMs }) => [name, Number(medianMs.toPrecision(4))])),
      };
      findings.push(finding);
      onFinding?.(finding);
    }
    return findings;
  } finally {
    watch.destroy();
    kernels.destroy();
  }
}

/** Whether every operand can be bound whole; a model splits larger ones, whose parts are shapes like the others. */
function bindable({ op, sizes }: BenchCase, { limits }: AdapterProfile): boolean {
  const most = limits['maxStorageBufferBindingSize'] ?? 2 ** 27;
  const operands: { readonly shape: (s: BenchCase['sizes']) => readonly number[] }[] = Object.values({ ...op.inputs, ...op.outputs });
  return operands.every(({ shape }) => 4 * shape(sizes).reduce((product, size) => product * size, 1) <= most);
}
