/** One case on one device: the correctness gate, then interleaved timings of every variant and of what it is held to. */

import {
  canRun,
  operandsOf,
  type AnyOp,
  type Kernels,
  type Numbers,
  type Sizes,
  type Variant,
} from '@seal/kernels';
import type { Gpu } from '@seal/device';
import type { KernelCase } from './cases.ts';
import { draw, operandOf, read, relativeError, upload, write } from './operands.ts';
import type { Launch, Stopwatch } from './stopwatch.ts';
import { takeTurns, type Contestant, type Timing } from './turns.ts';

/** What a case is measured with. */
export interface Bench {
  readonly gpu: Gpu;
  readonly kernels: Kernels;
  readonly watch: Stopwatch;
  /** Timed submits of each variant. */
  readonly turns: number;
}

/** A case, measured. */
export interface Measured {
  readonly variants: readonly Timing[];
  /** Everything else that took turns with them, by name: copies, other libraries. */
  readonly others: ReadonlyMap<string, Timing>;
}

/**
 * Float32 sums of some hundred products stay below 1e-5 of the largest value however they are ordered; a kernel that
 * reads or writes a wrong element is off by a good part of it.
 */
export const GATE = 1e-5;

/** Contestants that compute the same with the same operands. They are asked for once the case's own are prepared. */
export type Rivals = (inputs: Readonly<Record<string, Numbers>>, expected: Numbers) => Promise<readonly Contestant[]>;

interface Prepared {
  readonly variant: string;
  readonly launch: Launch;
}

/**
 * Checks every variant that fits the adapter, then times them in turns with each other and with `rivals`. `only` names the
 * variants to measure, all when absent. Throws RangeError when a variant computes nonsense.
 */
export async function measureCase(
  bench: Bench,
  one: KernelCase,
  { rivals, only }: { readonly rivals?: Rivals; readonly only?: readonly string[] } = {},
): Promise<Measured> {
  const { kernels, watch, turns } = bench;
  const { op, sizes } = one;
  const variants: readonly Variant<string>[] = op.variants.filter(
    (variant: Variant<string>) => canRun(variant, kernels.profile, sizes) && (only?.includes(variant.name) ?? true),
  );
  const buffers = new Map<string, GPUBuffer>();
  try {
    const inputs = draw(op.inputs, one, 1);
    const { prepared, expected } = await prepare(bench, one, variants, inputs, buffers);
    const contestants = prepared.map(
      ({ variant, launch }): Contestant => ({ name: variant, run: (times) => watch.time([launch], times) }),
    );
    const others = rivals ? await rivals(inputs, Object.values(expected)[0] ?? new Float64Array()) : [];
    const timings = await takeTurns([...contestants, ...others], turns);
    return {
      variants: timings.slice(0, contestants.length),
      others: new Map(
        timings
          .slice(contestants.length)
          .filter(({ medianMs }) => Number.isFinite(medianMs))
          .map((timing) => [timing.name, timing]),
      ),
    };
  } finally {
    for (const buffer of buffers.values()) buffer.destroy();
  }
}

/** Uploads the operands, runs every variant once and holds it to the reference, or on large cases to the last variant. */
async function prepare(
  { gpu, kernels }: Bench,
  one: KernelCase,
  variants: readonly Variant<string>[],
  inputs: Record<string, Numbers>,
  buffers: Map<string, GPUBuffer>,
): Promise<{ readonly prepared: Prepared[]; readonly expected: Record<string, Numbers> }> {
  const { op, sizes } = one;
  const before = draw(op.outputs, one, 2) as Record<string, Float64Array>;
  for (const [name, values] of Object.entries({ ...inputs, ...before })) {
    buffers.set(name, upload(gpu.device, name, operandOf(op, name).type, values));
  }
  const outputs = Object.keys(op.outputs);
  const results = async (name: string, launch: Launch) => {
    for (const output of outputs) write(gpu.device, buffers, op, output, before);
    // The first dispatch compiles on some adapters, so the gate is also the warm-up.
    await gpu.guard(`${op.name} as ${name}`, () => submitOnce(gpu, launch));
    return Object.fromEntries(
      await Promise.all(outputs.map(async (output) => [output, await read(gpu.device, buffers, op, output)] as const)),
    );
  };
  const launchOf = (variant: string) => launch(kernels, op, sizes, buffers, variant);
  const last = op.variants.at(-1)?.name ?? '';
  const expectedOf = async (operands: Record<string, Numbers>): Promise<Record<string, Numbers>> => {
    if (!one.large) return op.reference(sizes, operands, before);
    for (const name of Object.keys(inputs)) write(gpu.device, buffers, op, name, operands);
    const computed = Object.entries(await results(last, launchOf(last)));
    for (const name of Object.keys(inputs)) write(gpu.device, buffers, op, name, inputs);
    return Object.fromEntries(computed.map(([name, values]) => [name, Float64Array.from(values)]));
  };
  const expected = await expectedOf(inputs);
  const prepared: Prepared[] = [];
  const gate = Math.max(GATE, op.tolerance.floor);
  for (const variant of variants) {
    const { name, halfOperands } = variant;
    const ready = launchOf(name);
    // Held to what it multiplies, its operands rounded to f16, a variant is as exact as any other.
    const wanted = halfOperands ? await expectedOf(operandsOf(variant, inputs)) : expected;
    for (const [output, actual] of Object.entries(await results(name, ready))) {
      const error = relativeError(actual, wanted[output] ?? new Float64Array());
      if (!(error <= gate)) {
        throw new RangeError(
          `Cannot time ${op.name} as ${name} at ${one.shape}: ${output} differs from ` +
            `${one.large ? `the variant ${last}` : 'the float64 reference'} by ${error.toExponential(1)} of its largest value`,
        );
      }
    }
    prepared.push({ variant: name, launch: ready });
  }
  return { prepared, expected };
}

function submitOnce({ device }: Gpu, { pipeline, bindGroup, workgroups }: Launch): void {
  const encoder = device.createCommandEncoder();
  const pass = encoder.beginComputePass();
  pass.setPipeline(pipeline);
  pass.setBindGroup(0, bindGroup);
  pass.dispatchWorkgroups(...workgroups);
  pass.end();
  device.queue.submit([encoder.finish()]);
}

function launch(
  kernels: Kernels,
  op: AnyOp,
  sizes: Sizes<string>,
  buffers: ReadonlyMap<string, GPUBuffer>,
  variant?: string,
): Launch {
  const bindings = Object.fromEntries(buffers);
  const { pipeline, bindGroup, workgroups } = kernels.dispatch(op, sizes, bindings, variant === undefined ? {} : { variant });
  return { pipeline, bindGroup, workgroups: workgroups(undefined) };
}

/** Several ops that run one after the other as one contestant, by the variants that run when none is named. */
export interface Sequence {
  readonly name: string;
  readonly steps: readonly Pick<KernelCase, 'op' | 'sizes' | 'inputs'>[];
}

/** Times sequences in turns; what they compute is not looked at again, their ops are held to their references as cases. */
export async function measureSequences({ gpu, kernels, watch, turns }: Bench, sequences: readonly Sequence[]): Promise<Timing[]> {
  const buffers: GPUBuffer[] = [];
  const prepared = (step: Sequence['steps'][number]): Launch => {
    const { op, sizes } = step;
    const own = new Map<string, GPUBuffer>();
    for (const [name, values] of Object.entries({ ...draw(op.inputs, step, 1), ...draw(op.outputs, step, 2) })) {
      own.set(name, upload(gpu.device, name, operandOf(op, name).type, values));
    }
    buffers.push(...own.values());
    return launch(kernels, op, sizes, own);
  };
  try {
    const contestants = sequences.map(({ name, steps }): Contestant => {
      const launches = steps.map(prepared);
      return { name, run: (times) => watch.time(launches, times) };
    });
    return await takeTurns(contestants, turns);
  } finally {
    for (const buffer of buffers) buffer.destroy();
  }
}
