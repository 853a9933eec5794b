/** Finds out which variant of every op is the fastest at the shapes of a model, on the adapter at hand. */

import type { Gpu } from '@seal/device';
import { canRun, Kernels, type Choice, type Variant } from '@seal/kernels';
import type { ModelConfig } from '@seal/model';
import type { KernelCase } from './cases.ts';
import { measureCase } from './measure.ts';
import { modelCases } from './model-cases.ts';
import { Stopwatch } from './stopwatch.ts';
import { speedOver, type Timing } from './turns.ts';

/** One op at one shape, tuned. */
export interface TunedRow extends Choice {
  readonly shape: string;
  /** The variant that runs where nothing was measured. */
  readonly standard: string;
  readonly medianMs: number;
  /** Speed of `variant` over `standard`, by turns; 1 where they are the same. */
  readonly speedup: number;
}

export interface TuneOptions {
  /** Whether variants that round operands to f16 take part. */
  readonly halfOperands?: boolean;
  /** Tokens of a step, multiples of 64; 512 and 2,048 unless given. */
  readonly tokens?: readonly number[];
  readonly rank?: number;
  /** Timed submits of every variant. */
  readonly turns?: number;
  /** Called with each row as soon as its shape is measured. */
  readonly onRow?: (row: TunedRow) => void;
  readonly signal?: AbortSignal;
}

/** A variant replaces the standard one only where it is faster by more than this: noise should change no bits. */
const LEAST_GAIN = 1.05;
/** A variant that was so many times slower than the best of its op is not tried at the next shape of as many tokens. */
const HOPELESS = 4;

/**
 * Measures every op with more than one variant that can run here, after holding each variant to its reference. Throws
 * RangeError when a variant computes something else, and the reason of `signal`.
 *
 * ```ts
 * const rows = await tuneKernels(gpu, config);
 * const model = await loadModel(gpu, checkpoint, { choices: rows });
 * ```
 */
export async function tuneKernels(gpu: Gpu, config: ModelConfig, options: TuneOptions = {}): Promise<TunedRow[]> {
  const { halfOperands = false, tokens = [512, 2_048], rank = 16, turns = 7, onRow = () => {}, signal } = options;
  const kernels = new Kernels(gpu.device, gpu.description, { halfOperands });
  const watch = new Stopwatch(gpu);
  const rows: TunedRow[] = [];
  try {
    const hopeless = new Set<string>();
    for (const { one, count } of tokens.flatMap((count) => modelCases(config, count, rank).map((one) => ({ one, count })))) {
      signal?.throwIfAborted();
      const named = (name: string) => `${one.op.name}/${name}/${count}`;
      const standard = kernels.variantOf(one.op, one.sizes).name;
      const names = runnable(kernels, one, halfOperands).filter((name) => name === standard || !hopeless.has(named(name)));
      if (names.length < 2) continue;
      const { variants } = await measureCase({ gpu, kernels, watch, turns }, one, { only: names });
      const best = fastest(variants);
      for (const { name, medianMs } of variants) {
        if (medianMs > HOPELESS * best.medianMs) hopeless.add(named(name));
      }
      const row = choose(one, variants, best, standard);
      rows.push(row);
      onRow(row);
    }
  } finally {
    watch.destroy();
    kernels.destroy();
  }
  return rows;
}

function runnable({ profile }: Kernels, { op, sizes }: KernelCase, halfOperands: boolean): string[] {
  const variants: readonly Variant<string>[] = op.variants;
  return variants
    .filter((variant) => canRun(variant, profile, sizes) && (halfOperands || !variant.halfOperands))
    .map(({ name }) => name);
}

function fastest(timings: readonly Timing[]): Timing {
  const [best] = timings.toSorted((a, b) => a.medianMs - b.medianMs);
  if (!best) throw new TypeError('Cannot choose among no variants');
  return best;
}

function choose({ op, shape, sizes }: KernelCase, timings: readonly Timing[], best: Timing, standard: string): TunedRow {
  const usual = timings.find(({ name }) => name === standard) ?? best;
  const gain = speedOver(best, usual);
  const chosen = gain >= LEAST_GAIN ? best : usual;
  return { op: op.name, shape, sizes, variant: chosen.name, standard, medianMs: chosen.medianMs, speedup: chosen === best ? gain : 1 };
}
