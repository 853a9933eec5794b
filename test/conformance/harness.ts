/** Runs one op at one case on a device and compares it with its float64 reference. */

import { drawOperands, elementCount, Kernels, type AnyOp, type Numbers, type Sizes } from '@seal/kernels';

const GUARD_BYTES = 256;
const GUARD = 0x5ea15ea1;

/** Float64 numbers that are exactly representable in float32. */
export function drawInputs(op: AnyOp, sizes: Sizes<string>, seed: number): Record<string, Numbers> {
  for (const [name, { type, draw }] of Object.entries(op.inputs)) {
    if (!draw && type === 'u32') throw new TypeError(`${op.name}: u32 input ${name} needs draw`);
  }
  return drawOperands(op.inputs, sizes, 1_000 * seed);
}

/** What the outputs hold before the op runs: nothing known for `overwrite`, drawn numbers for `update`. */
export function drawBefore(op: AnyOp, sizes: Sizes<string>, seed: number): Record<string, Float64Array> {
  return Object.fromEntries(
    Object.entries(drawOperands(op.outputs, sizes, 1_000 * seed + 500)).map(([name, drawn]) => [
      name,
      op.outputs[name].mode === 'update' ? Float64Array.from(drawn) : new Float64Array(drawn.length).fill(NaN),
    ]),
  );
}

/** Outputs of one GPU run. Throws when a guard behind a buffer changed or the device reported an error. */
export async function runOnGpu(
  kernels: Kernels,
  op: AnyOp,
  sizes: Sizes<string>,
  inputs: Record<string, Numbers>,
  before: Record<string, Float64Array>,
  variant?: string,
): Promise<Record<string, Float64Array>> {
  const { device } = kernels;
  device.pushErrorScope('validation');
  device.pushErrorScope('out-of-memory');
  device.pushErrorScope('internal');
  const buffers: Record<string, GPUBuffer> = {};
  const upload = (name: string, type: 'f32' | 'u32', values: Numbers) => {
    const size = values.length * 4 + GUARD_BYTES;
    const buffer = device.createBuffer({
      label: name,
      size,
      usage: GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC,
      mappedAtCreation: true,
    });
    const mapped = buffer.getMappedRange();
    if (type === 'u32') new Uint32Array(mapped, 0, values.length).set(values);
    else new Float32Array(mapped, 0, values.length).set(values);
    new Uint32Array(mapped, values.length * 4).fill(GUARD);
    buffer.unmap();
    buffers[name] = buffer;
  };
  for (const [name, operand] of Object.entries(op.inputs)) upload(name, operand.type, inputs[name] as Numbers);
  for (const [name, output] of Object.entries(op.outputs)) upload(name, output.type, before[name] as Numbers);

  const dispatch = kernels.dispatch(op, sizes, buffers, { variant });
  const encoder = device.createCommandEncoder();
  const pass = encoder.beginComputePass();
  pass.setPipeline(dispatch.pipeline);
  pass.setBindGroup(0, dispatch.bindGroup);
  const [x, y, z] = dispatch.workgroups(undefined);
  pass.dispatchWorkgroups(x, y, z);
  pass.end();
  const outputs = Object.entries(op.outputs).map(([name, output]) => {
    const source = buffers[name] as GPUBuffer;
    const staging = device.createBuffer({ size: source.size, usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST });
    encoder.copyBufferToBuffer(source, 0, staging, 0, source.size);
    return { name, output, staging };
  });
  device.queue.submit([encoder.finish()]);
  const errors = await Promise.all([device.popErrorScope(), device.popErrorScope(), device.popErrorScope()]);
  const messages = errors.flatMap((error) => (error ? [error.message] : []));
  if (messages.length > 0) throw new Error(`${op.name}: ${messages.join('; ')}`);

  const results: Record<string, Float64Array> = {};
  for (const { name, output, staging } of outputs) {
    await staging.mapAsync(GPUMapMode.READ);
    const bytes = staging.getMappedRange();
    const length = elementCount(output.shape(sizes));
    const values = output.type === 'u32' ? new Uint32Array(bytes, 0, length) : new Float32Array(bytes, 0, length);
    results[name] = Float64Array.from(values);
    const touched = new Uint32Array(bytes, length * 4).findIndex((word) => word !== GUARD);
    if (touched >= 0) throw new Error(`${op.name}: wrote ${touched} elements past the end of ${name}`);
    staging.destroy();
  }
  for (const buffer of Object.values(buffers)) buffer.destroy();
  return results;
}

/** Largest absolute difference over the largest expected value; infinite for non-finite values that are not equal. */
export function relativeError(actual: Float64Array, expected: Float64Array): number {
  let difference = 0;
  let scale = 0;
  for (let i = 0; i < expected.length; i++) {
    const [a, b] = [actual[i] as number, expected[i] as number];
    if (!Number.isFinite(a) || !Number.isFinite(b)) {
      if (a === b) continue;
      return Infinity;
    }
    difference = Math.max(difference, Math.abs(a - b));
    scale = Math.max(scale, Math.abs(b));
  }
  return difference === 0 ? 0 : difference / Math.max(scale, 1e-30);
}

/** Central differences of sum(dOutputs * outputs) by one input, at `indices`. */
export function centralDifferences(
  op: AnyOp,
  sizes: Sizes<string>,
  inputs: Record<string, Numbers>,
  before: Record<string, Float64Array>,
  dOutputs: Record<string, Float64Array>,
  name: string,
  indices: readonly number[],
): number[] {
  const loss = (values: Float64Array) => {
    const outputs = op.reference(sizes, { ...inputs, [name]: values }, before);
    return Object.entries(dOutputs).reduce(
      (sum, [key, d]) => sum + d.reduce((s, weight, i) => s + weight * (outputs[key][i] as number), 0),
      0,
    );
  };
  const values = inputs[name] as Float64Array;
  return indices.map((index) => {
    const step = 1e-5 * Math.max(1, Math.abs(values[index] as number));
    const [up, down] = [values.slice(), values.slice()];
    up[index] = (values[index] as number) + step;
    down[index] = (values[index] as number) - step;
    return (loss(up) - loss(down)) / (2 * step);
  });
}
