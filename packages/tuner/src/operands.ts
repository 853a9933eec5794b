/** The numbers that a case computes with: drawn, uploaded, read back and compared. */

import { drawOperands, type AnyOp, type Numbers, type Operand } from '@seal/kernels';
import type { KernelCase } from './cases.ts';

/** Values of a case's operands: its own, the op's draw, else uniform in [-1, 1). */
export function draw(
  operands: Record<string, Operand<string>>,
  { sizes, inputs }: Pick<KernelCase, 'sizes' | 'inputs'>,
  seed: number,
): Record<string, Numbers> {
  return drawOperands(operands, sizes, 1_000 * seed, { given: inputs, number: (uniform) => 2 * uniform() - 1 });
}

/** An input or output by name. Throws TypeError where the op has none of that name. */
export function operandOf(op: AnyOp, name: string): Operand<string> {
  const operands: Record<string, Operand<string>> = { ...op.inputs, ...op.outputs };
  const operand = operands[name];
  if (!operand) throw new TypeError(`Cannot find operand ${name} of ${op.name}`);
  return operand;
}

function bytes(type: 'f32' | 'u32', values: Numbers): Float32Array<ArrayBuffer> | Uint32Array<ArrayBuffer> {
  return type === 'u32' ? Uint32Array.from(values) : Float32Array.from(values);
}

/** A storage buffer of these values, owned by the caller. */
export function upload(device: GPUDevice, label: string, type: 'f32' | 'u32', values: Numbers): GPUBuffer {
  const data = bytes(type, values);
  const usage = GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST;
  const buffer = device.createBuffer({ label, size: Math.max(16, data.byteLength), usage });
  device.queue.writeBuffer(buffer, 0, data);
  return buffer;
}

/** Puts values into an operand's buffer. */
export function write(
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

/** What an operand's buffer holds. */
export async function read(
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
export function relativeError(actual: Float32Array | Uint32Array, expected: Numbers): number {
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
