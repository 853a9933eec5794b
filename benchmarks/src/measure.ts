/** One case on one device: operands, the correctness gate, and interleaved timings of every variant. */

import { canRun, elementCount, type AnyOp, type Kernels, type Numbers, type Operand, type Variant } from '@seal/kernels';
import type { Gpu } from '@seal/device';
import type { BenchCase } from './cases.ts';

/** Times of one variant, in milliseconds a dispatch. */
export interface Timing {
  readonly variant: string;
  readonly medianMs: number;
  /** Distance between the first and the third quartile. */
  readonly spreadMs: number;
  /** Times in order of measurement: entry i of every variant belongs to the same turn. */
  readonly samplesMs: readonly number[];
}

/** A submit holds as many dispatches as take about this long, so that submitting and waiting cost nothing beside it. */
const SUBMIT_MS = 20;
const MOST_DISPATCHES = 256;

/**
 * Float32 sums of some hundred products stay below 1e-5 of the largest value however they are ordered; a kernel that
 * reads or writes a wrong element is off by a good part of it.
 */
const GATE = 1e-5;

interface Prepared {
  readonly variant: string;
  readonly encode: (dispatches: number) => GPUCommandBuffer;
}

/** Checks every variant that fits the adapter, then times them in turns. Throws when a variant computes nonsense. */
export async function measureCase(gpu: Gpu, kernels: Kernels, bench: BenchCase, repetitions: number): Promise<Timing[]> {
  const { op, sizes } = bench;
  const variants: readonly Variant<string>[] = op.variants.filter((variant: Variant<string>) =>
    canRun(variant, kernels.profile, sizes),
  );
  const inputs = draw(op.inputs, bench, 1);
  const before = draw(op.outputs, bench, 2) as Record<string, Float64Array>;
  const buffers = new Map<string, GPUBuffer>();
  try {
    for (const [name, values] of Object.entries({ ...inputs, ...before })) {
      buffers.set(name, upload(gpu.device, name, operandOf(op, name).type, values));
    }
    const expected: Record<string, Float64Array> = op.reference(sizes, inputs, before);
    const prepared: Prepared[] = [];
    for (const { name } of variants) {
      const one = prepare(kernels, bench, buffers, name);
      for (const output of Object.keys(op.outputs)) write(gpu.device, buffers, op, output, before);
      // The first dispatch compiles on some adapters, so the gate is also the warm-up.
      await gpu.guard(`${op.name} as ${name}`, () => gpu.device.queue.submit([one.encode(1)]));
      for (const output of Object.keys(op.outputs)) {
        const actual = await read(gpu.device, buffers, op, output);
        const error = relativeError(actual, expected[output] ?? new Float64Array());
        if (!(error <= Math.max(GATE, op.tolerance.floor))) {
          throw new RangeError(
            `Cannot time ${op.name} as ${name} at ${bench.shape}: ${output} differs from the float64 reference by ` +
              `${error.toExponential(1)} of its largest value`,
          );
        }
      }
      prepared.push(one);
    }
    return await time(gpu, prepared, repetitions);
  } finally {
    for (const buffer of buffers.values()) buffer.destroy();
  }
}

async function time(gpu: Gpu, prepared: readonly Prepared[], repetitions: number): Promise<Timing[]> {
  const run = async (one: Prepared, dispatches: number) => {
    const commands = one.encode(dispatches);
    const start = performance.now();
    gpu.device.queue.submit([commands]);
    await gpu.device.queue.onSubmittedWorkDone();
    return (performance.now() - start) / dispatches;
  };
  const counts: number[] = [];
  for (const one of prepared) {
    await run(one, 1);
    const estimate = Math.min(await run(one, 1), await run(one, 2));
    counts.push(Math.max(1, Math.min(MOST_DISPATCHES, Math.round(SUBMIT_MS / estimate))));
  }
  const samples = prepared.map((): number[] => []);
  for (let repetition = 0; repetition < repetitions; repetition++) {
    for (const [i, one] of prepared.entries()) samples[i]?.push(await run(one, counts[i] ?? 1));
  }
  gpu.throwIfFailed();
  return prepared.map(({ variant }, i) => {
    const sorted = (samples[i] ?? []).toSorted((a, b) => a - b);
    const spreadMs = quantile(sorted, 0.75) - quantile(sorted, 0.25);
    return { variant, medianMs: quantile(sorted, 0.5), spreadMs, samplesMs: samples[i] ?? [] };
  });
}

/** Median over the turns of how many times as fast `ours` was as `theirs`: load that lasts a turn falls out. */
export function speedOver(ours: Timing, theirs: Timing): number {
  const ratios = ours.samplesMs.map((ms, turn) => (theirs.samplesMs[turn] ?? NaN) / ms);
  return quantile(ratios.toSorted((a, b) => a - b), 0.5);
}

/** Quantile of ascending numbers, linear between neighbours. */
function quantile(sorted: readonly number[], at: number): number {
  const position = (sorted.length - 1) * at;
  const low = sorted[Math.floor(position)] ?? NaN;
  const high = sorted[Math.ceil(position)] ?? NaN;
  return low + (high - low) * (position - Math.floor(position));
}

function prepare(kernels: Kernels, { op, sizes }: BenchCase, buffers: ReadonlyMap<string, GPUBuffer>, variant: string): Prepared {
  const { pipeline, bindGroup, workgroups } = kernels.dispatch(op, sizes, Object.fromEntries(buffers), { variant });
  return {
    variant,
    encode: (dispatches) => {
      const encoder = kernels.device.createCommandEncoder();
      const pass = encoder.beginComputePass();
      pass.setPipeline(pipeline);
      pass.setBindGroup(0, bindGroup);
      for (let i = 0; i < dispatches; i++) pass.dispatchWorkgroups(...workgroups(undefined));
      pass.end();
      return encoder.finish();
    },
  };
}

/** Mulberry32: uniform numbers in [0, 1) from a 32-bit seed. */
function uniformFrom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let z = Math.imul(state ^ (state >>> 15), state | 1);
    z ^= z + Math.imul(z ^ (z >>> 7), z | 61);
    return ((z ^ (z >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Values exactly representable in the operand's type: the case's own, the op's draw, else uniform in [-1, 1). */
function draw(operands: Record<string, Operand<string>>, { sizes, inputs }: BenchCase, seed: number): Record<string, Numbers> {
  return Object.fromEntries(
    Object.entries(operands).map(([name, operand], index) => {
      const uniform = uniformFrom(1_000 * seed + index);
      const length = elementCount(operand.shape(sizes));
      const values =
        inputs[name] ?? operand.draw?.(sizes, uniform) ?? Float64Array.from({ length }, () => 2 * uniform() - 1);
      if (values.length !== length) throw new RangeError(`Cannot draw ${name}: got ${values.length} values, need ${length}`);
      return [name, operand.type === 'u32' ? Uint32Array.from(values) : Float64Array.from(values, Math.fround)];
    }),
  );
}

function operandOf(op: AnyOp, name: string): Operand<string> {
  const operands: Record<string, Operand<string>> = { ...op.inputs, ...op.outputs };
  const operand = operands[name];
  if (!operand) throw new TypeError(`Cannot find operand ${name} of ${op.name}`);
  return operand;
}

function bytes(type: 'f32' | 'u32', values: Numbers): Float32Array<ArrayBuffer> | Uint32Array<ArrayBuffer> {
  return type === 'u32' ? Uint32Array.from(values) : Float32Array.from(values);
}

function upload(device: GPUDevice, label: string, type: 'f32' | 'u32', values: Numbers): GPUBuffer {
  const data = bytes(type, values);
  const usage = GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST;
  const buffer = device.createBuffer({ label, size: Math.max(16, data.byteLength), usage });
  device.queue.writeBuffer(buffer, 0, data);
  return buffer;
}

function write(
  device: GPUDevice,
  buffers: ReadonlyMap<string, GPUBuffer>,
  op: AnyOp,
  name: string,
  values: Readonly<Record<string, Numbers>>,
): void {
  const buffer = buffers.get(name);
  const numbers = values[name];
  if (buffer && numbers) device.queue.writeBuffer(buffer, 0, bytes(operandOf(op, name).type, numbers));
}

async function read(
  device: GPUDevice,
  buffers: ReadonlyMap<string, GPUBuffer>,
  op: AnyOp,
  name: string,
): Promise<Float32Array | Uint32Array> {
  const source = buffers.get(name);
  if (!source) throw new TypeError(`Cannot read operand ${name} of ${op.name}`);
  const staging = device.createBuffer({ size: source.size, usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST });
  const encoder = device.createCommandEncoder();
  encoder.copyBufferToBuffer(source, 0, staging, 0, source.size);
  device.queue.submit([encoder.finish()]);
  await staging.mapAsync(GPUMapMode.READ);
  const copy = staging.getMappedRange().slice(0);
  staging.destroy();
  return operandOf(op, name).type === 'u32' ? new Uint32Array(copy) : new Float32Array(copy);
}

/** Largest absolute difference over the largest expected value; infinite where either is not finite. */
function relativeError(actual: Float32Array | Uint32Array, expected: Float64Array): number {
  let difference = 0;
  let scale = 1e-30;
  for (const [i, wanted] of expected.entries()) {
    const gap = Math.abs((actual[i] ?? NaN) - wanted);
    if (!Number.isFinite(gap)) return Infinity;
    difference = Math.max(difference, gap);
    scale = Math.max(scale, Math.abs(wanted));
  }
  return difference / scale;
}
