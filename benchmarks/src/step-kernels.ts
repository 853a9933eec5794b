/** What a recorded step is made of: the time of every dispatch on its own, and what bounds a packed step from below. */

import { matmulNT, segmentSum, type Kernels, type Workgroups } from '@seal/kernels';
import type { Gpu } from '@seal/device';
import type { LlamaConfig, LoraLayout } from '@seal/model';
import { quantile } from '@seal/trainer';

type Dispatch = ReturnType<Kernels['dispatch']>;
type Bound = Pick<Dispatch, 'pipeline' | 'bindGroup'>;

/** Dispatches of one op in a step, timed one by one with the step's own operands. */
export interface StepKernel {
  readonly op: string;
  readonly dispatches: number;
  readonly ms: number;
  /** Of the sum over all ops. */
  readonly share: number;
}

/** What of a step changes from step to step, as `Recording` hands it to workgroup counts. */
export interface StepSizes {
  readonly tokens: number;
  readonly tiles: number;
  readonly adapters: number;
}

/** Remembers every dispatch that `kernels` prepares while `record` runs. */
export function dispatchesOf<T>(kernels: Kernels, record: () => T): { readonly made: T; readonly dispatches: readonly Dispatch[] } {
  const dispatches: Dispatch[] = [];
  const dispatch = kernels.dispatch.bind(kernels);
  kernels.dispatch = (op, sizes, bindings, options) => {
    const prepared = dispatch(op, sizes, bindings, options);
    dispatches.push(prepared as Dispatch);
    return prepared;
  };
  try {
    return { made: record(), dispatches };
  } finally {
    kernels.dispatch = dispatch;
  }
}

/** A pass that holds one dispatch `count` times, in milliseconds until it is done. */
async function passMs({ device }: Gpu, { pipeline, bindGroup }: Bound, workgroups: Workgroups, count: number) {
  const encoder = device.createCommandEncoder();
  const pass = encoder.beginComputePass();
  pass.setPipeline(pipeline);
  pass.setBindGroup(0, bindGroup);
  for (let i = 0; i < count; i++) pass.dispatchWorkgroups(...workgroups);
  pass.end();
  const commands = encoder.finish();
  const begun = performance.now();
  device.queue.submit([commands]);
  await device.queue.onSubmittedWorkDone();
  return performance.now() - begun;
}

/** Time of one dispatch without the cost of its submit: the median over `turns` of longer passes less shorter ones. */
async function dispatchMs(gpu: Gpu, dispatch: Bound, workgroups: Workgroups, more: number, turns: number) {
  const samples: number[] = [];
  for (let turn = 0; turn < turns; turn++) {
    const one = await passMs(gpu, dispatch, workgroups, 1);
    samples.push(((await passMs(gpu, dispatch, workgroups, 1 + more)) - one) / more);
  }
  return Math.max(0, median(samples));
}

/** Times a step's dispatches one by one and adds them up by op, the longest first. The step's results are lost. */
export async function stepKernels(gpu: Gpu, dispatches: readonly Dispatch[], sizes: StepSizes): Promise<StepKernel[]> {
  const step = { ...sizes, rows: 0, cached: 0, index: 0 };
  const byOp = new Map<string, { dispatches: number; ms: number }>();
  for (const dispatch of dispatches) {
    const row = byOp.get(dispatch.label) ?? { dispatches: 0, ms: 0 };
    // Recordings hand the step to every dispatch; the type of one that stands alone has none.
    const workgroups = (dispatch.workgroups as (step: unknown) => Workgroups)(step);
    row.ms += await dispatchMs(gpu, dispatch, workgroups, 4, 3);
    row.dispatches += 1;
    byOp.set(dispatch.label, row);
  }
  gpu.throwIfFailed();
  const total = [...byOp.values()].reduce((sum, { ms }) => sum + ms, 0);
  return [...byOp]
    .map(([op, { dispatches: count, ms }]) => ({ op, dispatches: count, ms: round(ms), share: round(ms / total) }))
    .toSorted((a, b) => b.ms - a.ms);
}

/** The two costs that bound a packed step on this adapter. */
export interface StepCosts {
  /** Of a dispatch that computes next to nothing. */
  readonly dispatchMs: number;
  /** Of the variant that runs, for a product of the step's kind: (2048, K) by (N, K)^T. */
  readonly matmulGflops: number;
}

/** Measures both with buffers of its own. */
export async function stepCosts(gpu: Gpu, kernels: Kernels, { hiddenSize: K, intermediateSize: N }: LlamaConfig): Promise<StepCosts> {
  const M = 2_048;
  const make = (elementCount: number) =>
    gpu.device.createBuffer({ size: elementCount * 4, usage: GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_DST });
  const buffers = { x: make(64), segments: make(64), sums: make(64), a: make(M * K), b: make(N * K), c: make(M * N) };
  try {
    const { x, segments, sums, a, b, c } = buffers;
    const small = kernels.dispatch(segmentSum, { T: 1, E: 1 }, { x, segments, sums });
    const large = kernels.dispatch(matmulNT, { M, N, K, accumulate: 0, hasBias: 0 }, { a, b, c });
    for (const one of [small, large]) await passMs(gpu, one, one.workgroups(), 1);
    const matmulMs = await dispatchMs(gpu, large, large.workgroups(), 4, 9);
    return {
      dispatchMs: await dispatchMs(gpu, small, small.workgroups(), 256, 9),
      matmulGflops: (2 * M * N * K) / matmulMs / 1e6,
    };
  } finally {
    for (const buffer of Object.values(buffers)) buffer.destroy();
  }
}

/**
 * Additions and multiplications of the matrix products of one LoRA step of T tokens: frozen weights forward and by the
 * input, both low-rank matrices with their gradients, the head. Attention and everything element by element is left out.
 */
export function stepFlops({ hiddenSize: C, vocabSize: V }: LlamaConfig, { places }: LoraLayout, rank: number, T: number): number {
  const adapted = places.reduce((sum, { layer, projection, inner: K, out: N }) => {
    // Nothing below the first block is trained, so its q, k and v need no gradient of their input.
    const backward = layer > 0 || !/[qkv]_proj$/.test(projection);
    return sum + 2 * T * (K * N * (backward ? 2 : 1) + rank * (3 * N + (backward ? 3 : 2) * K));
  }, 0);
  return adapted + 2 * (2 * T * C * V);
}

/** The middle of numbers in any order. */
export function median(samples: readonly number[]): number {
  return quantile(samples.toSorted((a, b) => a - b), 0.5);
}

/** Four significant digits. */
export function round(value: number): number {
  return Number(value.toPrecision(4));
}
