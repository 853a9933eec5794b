/** The kernel benchmark: one row for every variant of every op and shape, ready to be stored as JSON. */

import { arch, platform, release } from 'node:os';
import { runtimeName, type Gpu } from '@seal/device';
import {
  attentionBackwardKeyValue,
  attentionBackwardQuery,
  attentionDelta,
  elementCount,
  Kernels,
  type AnyOp,
  type Operand,
} from '@seal/kernels';
import { measureCase, measureSequences, speedOver, Stopwatch, type Bench, type Clock, type Measured, type Rivals, type Timing } from '@seal/tuner';
import { kernelCases, PLAIN_TILE, type BenchCase, type Layout } from './cases.ts';
import { Copies, measureCeilings, type Ceilings } from './ceilings.ts';
import type { PeerRecord, Peers } from './peers.ts';

/** One variant at one shape. */
export interface KernelRow {
  readonly op: string;
  /** Which operands of a matmul are stored transposed; null for other ops. */
  readonly layout: Layout | null;
  /** M x N x K for matmul, else named sizes. */
  readonly shape: string;
  /** Of the operands that are multiplied; sums are f32. */
  readonly dtype: 'f32' | 'f16';
  readonly variant: string;
  /** Whether this is the variant that runs when none is named. */
  readonly chosen: boolean;
  /** Median and interquartile range of the time of one dispatch. */
  readonly medianMs: number;
  readonly spreadMs: number;
  /** Arithmetic of the formula over the median time; exponentials, divisions and roots count as one. */
  readonly gflops: number;
  /** Bytes of all operands, each counted once (updated ones twice), over the median time. */
  readonly gbps: number;
  /** The larger of gflops and gbps, each over its ceiling. */
  readonly fractionOfCeiling: number;
  /** This variant's speed over another's: the median over the turns, which both took next to each other. */
  readonly ratios: Ratios;
}

/**
 * `plain` is the op's own variant without optional features, `copy` a copy of the same array with a vec4 an invocation,
 * `fastest-copy` that with as many as were fastest, `forward` the forward pass of the same shape, `nn` the product without
 * transposed operands. Peers have their names.
 */
export type Ratios = Readonly<Record<string, number>>;

/** What `benchKernels` returns and `benchmarks/results` keeps. */
export interface KernelBenchmark {
  readonly adapter: string;
  /** The driver as far as WebGPU tells: vendor, architecture, and the features the device was opened with. */
  readonly driver: { readonly vendor: string; readonly architecture: string; readonly features: readonly string[] };
  readonly runtime: string;
  readonly versions: Readonly<Record<string, string>>;
  readonly commit: string | null;
  readonly clock: Clock;
  readonly repetitions: number;
  readonly ceilings: Ceilings;
  readonly rows: readonly KernelRow[];
  /** Other libraries on the same shapes, by the wall clock; none where they were not asked for. */
  readonly peers: readonly PeerRecord[];
}

export interface BenchKernelsOptions {
  /** The commit measured, or null where it is not known. */
  readonly commit: string | null;
  /** Versions worth recording beside the runtime's and the operating system's. */
  readonly versions?: Readonly<Record<string, string>>;
  /** Other libraries to take turns with; opened and closed by the caller. */
  readonly peers?: Peers;
  /** Called with each row as soon as its case is measured. */
  readonly onRow?: (row: KernelRow) => void;
  /** Ends the measurement before the next case. */
  readonly signal?: AbortSignal;
  /** Cases to measure, by `op layout shape`; all when absent. */
  readonly filter?: (name: string) => boolean;
  /** Timed submits of each variant; 15 unless given. Variants that are very slow take fewer. */
  readonly repetitions?: number;
}

/**
 * Measures the kernels on `gpu`. Variants of one op and shape take turns, so that whatever else the machine does falls
 * on all of them. Throws RangeError when a variant does not compute what its float64 reference does.
 *
 * ```ts
 * const benchmark = await benchKernels(gpu, { commit: null, filter: (name) => name.startsWith('matmul-nn') });
 * ```
 */
export async function benchKernels(gpu: Gpu, options: BenchKernelsOptions): Promise<KernelBenchmark> {
  const { commit, versions = {}, peers, onRow, signal, filter = () => true, repetitions = 15 } = options;
  if (!Number.isInteger(repetitions) || repetitions < 1) {
    throw new RangeError(`Cannot take ${repetitions} timings: it must be a whole number >= 1`);
  }
  const { description, vendor, architecture, features, class: kind } = gpu.description;
  const cases = kernelCases(kind === 'cpu').filter(({ op, layout, shape }) =>
    filter([op.name, layout, shape].filter((part) => part !== null).join(' ')),
  );
  const kernels = new Kernels(gpu.device, gpu.description);
  const watch = new Stopwatch(gpu);
  const bench: Bench = { gpu, kernels, watch, turns: repetitions };
  const rows: KernelRow[] = [];
  const add = (row: KernelRow) => {
    rows.push(row);
    onRow?.(row);
  };
  try {
    const { copyRun, gflops, gbps } = await measureCeilings(gpu, watch, Math.max(5, repetitions));
    const ceilings = { gflops: round(gflops), gbps: round(gbps) };
    const layouts = await layoutRatios(bench, cases.filter(({ shape }) => shape === '512x512x512'));
    for (const one of cases) {
      signal?.throwIfAborted();
      const chosen = kernels.variantOf(one.op, one.sizes).name;
      const measured = await measureBeside(bench, one, copyRun, peers);
      const overNN = layouts.get(one);
      for (const row of rowsOf(one, measured, chosen, ceilings)) {
        add(row.chosen && overNN !== undefined ? { ...row, ratios: { ...row.ratios, nn: overNN } } : row);
      }
      peers?.keep(one, measured.others);
      if (one.passes) add(await backwardRow(bench, one, ceilings));
    }
    const { clock } = watch;
    return {
      adapter: description,
      driver: { vendor, architecture, features },
      runtime: runtimeName(),
      versions: { os: `${platform()} ${release()} ${arch()}`, ...versions },
      commit,
      clock,
      repetitions,
      ceilings,
      rows,
      peers: peers?.records ?? [],
    };
  } finally {
    watch.destroy();
    kernels.destroy();
  }
}

/** A case in turns with the copies that it asks for and with other libraries. */
async function measureBeside({ gpu, watch, ...bench }: Bench, one: BenchCase, copyRun: number, peers: Peers | undefined): Promise<Measured> {
  const copiedBytes = 4 * (one.copied ?? 0);
  const copies = one.copied === undefined ? null : new Copies(gpu, watch, copiedBytes);
  const rivals: Rivals = async (inputs, expected) => [
    ...(copies ? [copies.contestant('copy', copiedBytes, 1), copies.contestant('fastest-copy', copiedBytes, copyRun)] : []),
    ...(peers && one.compared ? await peers.contestants(one, inputs, expected) : []),
  ];
  try {
    return await measureCase({ gpu, watch, ...bench }, one, { rivals });
  } finally {
    copies?.destroy();
  }
}

function rowsOf(one: BenchCase, { variants, others }: Measured, chosen: string, ceilings: Ceilings): KernelRow[] {
  const { op, layout, shape, flops } = one;
  const yardsticks = [
    ...variants.filter(({ name }) => name === PLAIN_TILE || name === 'plain'),
    // A peer that failed in its turns has no time.
    ...[...others.values()].filter(({ medianMs }) => Number.isFinite(medianMs)),
  ];
  return variants.map((timing) => ({
    op: op.name,
    layout,
    shape,
    dtype: op.variants.find((variant) => variant.name === timing.name)?.halfOperands ? 'f16' : 'f32',
    variant: timing.name,
    chosen: timing.name === chosen,
    ...ratesOf(timing, flops, bytesMoved(one), ceilings),
    ratios: Object.fromEntries(yardsticks.map((other) => [other.name, round(speedOver(timing, other))])),
  }));
}

/** The backward pass of attention, in order. */
const ATTENTION_BACKWARD: readonly AnyOp[] = [attentionDelta, attentionBackwardQuery, attentionBackwardKeyValue];

/** The whole backward pass of attention against its forward pass. */
async function backwardRow(bench: Bench, { op, sizes, inputs, shape, flops }: BenchCase, ceilings: Ceilings): Promise<KernelRow> {
  const steps = ATTENTION_BACKWARD.map((step) => ({ op: step, sizes, inputs }));
  const [forward, backward] = await measureSequences(bench, [
    { name: 'forward', steps: [{ op, sizes, inputs }] },
    { name: 'backward', steps },
  ]);
  if (!forward || !backward) throw new TypeError('Cannot compare passes that were not timed');
  const variants = steps.slice(1).map((step) => bench.kernels.variantOf(step.op, sizes).name);
  const bytes = steps.reduce((sum, step) => sum + bytesMoved(step), 0);
  return {
    op: 'attention-backward',
    layout: null,
    shape,
    dtype: 'f32',
    variant: [...new Set(variants)].join('+'),
    chosen: true,
    // Forward has two products a pair, backward seven: three for dq and four for dk and dv.
    ...ratesOf(backward, (7 / 2) * flops, bytes, ceilings),
    ratios: { forward: round(speedOver(backward, forward)) },
  };
}

/** The speed of each layout over that of `nn` at the same shape, of the variants that run; empty without `nn`. */
async function layoutRatios(bench: Bench, cases: readonly BenchCase[]): Promise<ReadonlyMap<BenchCase, number>> {
  const nn = cases.findIndex(({ layout }) => layout === 'nn');
  const timings = await measureSequences(bench, cases.map((one) => ({ name: one.shape, steps: [one] })));
  const yardstick = timings[nn];
  if (!yardstick) return new Map();
  return new Map(timings.flatMap((timing, i) => {
    const one = cases[i];
    return one && i !== nn ? [[one, round(speedOver(timing, yardstick))] as const] : [];
  }));
}

function ratesOf({ medianMs, spreadMs }: Timing, flops: number, bytes: number, ceilings: Ceilings) {
  const gflops = flops / medianMs / 1e6;
  const gbps = bytes / medianMs / 1e6;
  return {
    medianMs: round(medianMs),
    spreadMs: round(spreadMs),
    gflops: round(gflops),
    gbps: round(gbps),
    fractionOfCeiling: round(Math.max(gflops / ceilings.gflops, gbps / ceilings.gbps)),
  };
}

/** Bytes of all operands, each once; outputs that are updated twice. */
function bytesMoved({ op, sizes }: Pick<BenchCase, 'op' | 'sizes'>): number {
  const byteLength = (operand: Operand<string>) => 4 * elementCount(operand.shape(sizes));
  const outputs: (Operand<string> & { readonly mode: string })[] = Object.values(op.outputs);
  const inputs: Operand<string>[] = Object.values(op.inputs);
  const updated = 'accumulate' in sizes ? sizes['accumulate'] !== 0 : true;
  return (
    inputs.reduce((sum, operand) => sum + byteLength(operand), 0) +
    outputs.reduce((sum, operand) => sum + byteLength(operand) * (operand.mode === 'update' && updated ? 2 : 1), 0)
  );
}

/** Four significant digits. */
function round(value: number): number {
  return Number(value.toPrecision(4));
}
