/** The kernel benchmark: one row for every variant of every op and shape, ready to be stored as JSON. */

import { runtimeName, type Gpu } from '@seal/device';
import { elementCount, Kernels, type Operand } from '@seal/kernels';
import { kernelCases, PLAIN_TILE, type BenchCase } from './cases.ts';
import { measureCase, speedOver, type Timing } from './measure.ts';

/** One variant at one shape. */
export interface KernelRow {
  readonly op: string;
  /** Which operands of a matmul are stored transposed; null for other ops. */
  readonly layout: 'nn' | 'nt' | 'tn' | null;
  /** M x N x K for matmul, else named sizes. */
  readonly shape: string;
  readonly dtype: 'f32';
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
  /** This variant's speed over another's: the median over the turns, which both took next to each other. */
  readonly ratios: { readonly [PLAIN_TILE]?: number };
}

/** What `benchKernels` returns and `benchmarks/results` keeps. */
export interface KernelBenchmark {
  readonly adapter: string;
  readonly runtime: string;
  readonly commit: string | null;
  readonly repetitions: number;
  readonly rows: readonly KernelRow[];
}

export interface BenchKernelsOptions {
  /** The commit measured, or null where it is not known. */
  readonly commit: string | null;
  /** Called with each row as soon as its case is measured. */
  readonly onRow?: (row: KernelRow) => void;
  /** Cases to measure, by `op layout shape`; all when absent. */
  readonly filter?: (name: string) => boolean;
  /** Timed submits of each variant; 15 unless given. */
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
  const { commit, onRow, filter = () => true, repetitions = 15 } = options;
  if (!Number.isInteger(repetitions) || repetitions < 1) {
    throw new RangeError(`Cannot take ${repetitions} timings: it must be a whole number >= 1`);
  }
  const kernels = new Kernels(gpu.device, gpu.description);
  const rows: KernelRow[] = [];
  try {
    for (const bench of kernelCases()) {
      if (!filter([bench.op.name, bench.layout, bench.shape].filter((part) => part !== null).join(' '))) continue;
      for (const row of rowsOf(bench, await measureCase(gpu, kernels, bench, repetitions), kernels.variantOf(bench.op, bench.sizes).name)) {
        rows.push(row);
        onRow?.(row);
      }
    }
  } finally {
    kernels.destroy();
  }
  return { adapter: gpu.description.description, runtime: runtimeName(), commit, repetitions, rows };
}

function rowsOf(bench: BenchCase, timings: readonly Timing[], chosen: string): KernelRow[] {
  const { op, layout, shape, sizes, flops } = bench;
  const byteLength = (operand: Operand<string>) => 4 * elementCount(operand.shape(sizes));
  const outputs: (Operand<string> & { readonly mode: string })[] = Object.values(op.outputs);
  const inputs: Operand<string>[] = Object.values(op.inputs);
  const updated = 'accumulate' in sizes ? sizes['accumulate'] !== 0 : true;
  const moved =
    inputs.reduce((sum, operand) => sum + byteLength(operand), 0) +
    outputs.reduce((sum, operand) => sum + byteLength(operand) * (operand.mode === 'update' && updated ? 2 : 1), 0);
  const plainTile = timings.find(({ variant }) => variant === PLAIN_TILE);
  return timings.map((timing) => {
    const { variant, medianMs, spreadMs } = timing;
    return {
      op: op.name,
      layout,
      shape,
      dtype: 'f32',
      variant,
      chosen: variant === chosen,
      medianMs: round(medianMs),
      spreadMs: round(spreadMs),
      gflops: round(flops / medianMs / 1e6),
      gbps: round(moved / medianMs / 1e6),
      ratios: plainTile ? { [PLAIN_TILE]: round(speedOver(timing, plainTile)) } : {},
    };
  });
}

/** Four significant digits. */
function round(value: number): number {
  return Number(value.toPrecision(4));
}
