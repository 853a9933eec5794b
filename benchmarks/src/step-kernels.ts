/** What a recorded step is made of: the time of every dispatch on its own, and what bounds a packed step from below. */

import { matmulNT, segmentSum, type Kernels, type Workgroups } from '@seal/kernels';
import type { Gpu } from '@seal/device';
import type { ModelConfig, LoraLayout } from '@seal/model';
import { quantile } from '@seal/trainer';

/** A dispatch as a step encodes it. */
export interface EncodedDispatch {
  readonly pipeline: GPUComputePipeline;
  readonly bindGroup: GPUBindGroup;
  readonly workgroups: Workgroups;
}

/** Dispatches of one op and variant in a step, timed one by one with the step's own operands. */
export interface StepKernel {
  readonly op: string;
  readonly variant: string;
  readonly dispatches: number;
  readonly ms: number;
  /** Of the sum over all ops. */
  readonly share: number;
}

/** Every dispatch that `work` encodes on `device`, in order. */
export function dispatchesOf(device: GPUDevice, work: () => void): EncodedDispatch[] {
  const encoded: EncodedDispatch[] = [];
  const createCommandEncoder = device.createCommandEncoder.bind(device);
  device.createCommandEncoder = (descriptor) => {
    const encoder = createCommandEncoder(descriptor);
    const beginComputePass = encoder.beginComputePass.bind(encoder);
    encoder.beginComputePass = (passDescriptor) => watched(beginComputePass(passDescriptor), encoded);
    return encoder;
  };
  try {
    work();
  } finally {
    device.createCommandEncoder = createCommandEncoder;
  }
  return encoded;
}

function watched(pass: GPUComputePassEncoder, encoded: EncodedDispatch[]): GPUComputePassEncoder {
  let pipeline: GPUComputePipeline | null = null;
  let bindGroup: GPUBindGroup | null = null;
  const setPipeline = pass.setPipeline.bind(pass);
  const setBindGroup = pass.setBindGroup.bind(pass);
  const dispatchWorkgroups = pass.dispatchWorkgroups.bind(pass);
  pass.setPipeline = (value) => setPipeline((pipeline = value));
  pass.setBindGroup = (index: number, value: GPUBindGroup | null | undefined) => setBindGroup(index, (bindGroup = value ?? null));
  pass.dispatchWorkgroups = (...workgroups) => {
    if (pipeline && bindGroup) encoded.push({ pipeline, bindGroup, workgroups });
    return dispatchWorkgroups(...workgroups);
  };
  return pass;
}

/** A pass that holds one dispatch `count` times, in milliseconds until it is done. */
async function passMs({ device }: Gpu, { pipeline, bindGroup, workgroups }: EncodedDispatch, count: number) {
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

/** A pass is as long as this, so that what waiting for it costs vanishes. */
const PASS_MS = 15;

/** Time of one dispatch without the cost of its submit: the median over `turns` of longer passes less shorter ones. */
async function dispatchMs(gpu: Gpu, dispatch: EncodedDispatch, turns: number) {
  const estimate = (await passMs(gpu, dispatch, 8)) / 8;
  const more = Math.max(4, Math.min(256, Math.round(PASS_MS / estimate)));
  const samples: number[] = [];
  for (let turn = 0; turn < turns; turn++) {
    const one = await passMs(gpu, dispatch, 1);
    samples.push(((await passMs(gpu, dispatch, 1 + more)) - one) / more);
  }
  return Math.max(0, median(samples));
}

/** Times a step's dispatches one by one and adds them up by variant, the longest first. The step's results are lost. */
export async function stepKernels(gpu: Gpu, dispatches: readonly EncodedDispatch[]): Promise<StepKernel[]> {
  const byVariant = new Map<string, { dispatches: number; ms: number }>();
  for (const dispatch of dispatches) {
    // Pipelines are labelled by op and variant.
    const { label } = dispatch.pipeline;
    const row = byVariant.get(label) ?? { dispatches: 0, ms: 0 };
    row.ms += await dispatchMs(gpu, dispatch, 3);
    row.dispatches += 1;
    byVariant.set(label, row);
  }
  gpu.throwIfFailed();
  const total = [...byVariant.values()].reduce((sum, { ms }) => sum + ms, 0);
  return [...byVariant]
    .map(([label, { dispatches: count, ms }]) => {
      const [op = label, variant = ''] = label.split('/');
      return { op, variant, dispatches: count, ms: round(ms), share: round(ms / total) };
    })
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
export async function stepCosts(gpu: Gpu, kernels: Kernels, { hiddenSize: K, intermediateSize: N }: ModelConfig): Promise<StepCosts> {
  const M = 2_048;
  const make = (elementCount: number) =>
    gpu.device.createBuffer({ size: elementCount * 4, usage: GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_DST });
  const buffers = { x: make(64), segments: make(64), sums: make(64), a: make(M * K), b: make(N * K), c: make(M * N) };
  try {
    const { x, segments, sums, a, b, c } = buffers;
    const encoded = ({ pipeline, bindGroup, workgroups }: ReturnType<Kernels['dispatch']>) => ({ pipeline, bindGroup, workgroups: workgroups(undefined) });
    const small = encoded(kernels.dispatch(segmentSum, { T: 1, E: 1 }, { x, segments, sums }));
    const large = encoded(kernels.dispatch(matmulNT, { M, N, K, accumulate: 0, hasBias: 0, lda: K, ldc: N }, { a, b, c }));
    for (const one of [small, large]) await passMs(gpu, one, 1);
    const matmulMs = await dispatchMs(gpu, large, 9);
    return {
      dispatchMs: await dispatchMs(gpu, small, 9),
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
export function stepFlops({ hiddenSize: C, vocabSize: V }: ModelConfig, { places }: LoraLayout, rank: number, T: number): number {
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
