/** Recordings: temporaries share memory without touching each other, and misuse is refused by name. */

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openGpu, type Gpu } from '@seal/device';
import { add, Kernels, part, profileOf, Recording, type Slice } from '@seal/kernels';

let gpu: Gpu;
let kernels: Kernels;
beforeAll(async () => {
  gpu = await openGpu();
  kernels = new Kernels(gpu.device, profileOf(gpu.device));
});
afterAll(() => {
  kernels.destroy();
  gpu.close();
});

const N = 128;
const usage = () => GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST;

function storage(values: Float32Array<ArrayBuffer>): GPUBuffer {
  const buffer = gpu.device.createBuffer({ size: values.byteLength, usage: usage() });
  gpu.device.queue.writeBuffer(buffer, 0, values);
  return buffer;
}

async function run(record: Recording, result: GPUBuffer): Promise<number[]> {
  const staging = gpu.device.createBuffer({ size: result.size, usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST });
  await gpu.guard('recording', () => {
    const encoder = gpu.device.createCommandEncoder();
    record.encode(encoder);
    encoder.copyBufferToBuffer(result, 0, staging, 0, result.size);
    gpu.device.queue.submit([encoder.finish()]);
  });
  await staging.mapAsync(GPUMapMode.READ);
  const values = [...new Float32Array(staging.getMappedRange())];
  staging.destroy();
  return values;
}

describe('Recording', () => {
  it('runs a chain of temporaries in two buffers, a kept one aside', async () => {
    const one = storage(new Float32Array(N).fill(1));
    const result = storage(new Float32Array(N));
    const record = new Recording(kernels);
    const increment = (a: Slice, label: string) => {
      const y = record.temporary(label, N);
      record.run(add, { n: N }, { a, b: one, y });
      return y;
    };
    const kept = increment(one, 'kept');
    let last: Slice = kept;
    for (let i = 0; i < 20; i++) last = increment(last, `link ${i}`);
    // 22 + 2
    record.run(add, { n: N }, { a: last, b: kept, y: result });
    expect(record.memory).toEqual({ byteLength: 3 * N * 4, unsharedByteLength: 21 * N * 4 });
    expect(await run(record, result)).toEqual(Array.from({ length: N }, () => 24));
    expect(await run(record, result)).toEqual(Array.from({ length: N }, () => 24));
    record.destroy();
  });

  it('clears, copies and takes parts of temporaries', async () => {
    const source = storage(Float32Array.from({ length: N }, (_, i) => i));
    const result = storage(new Float32Array(N));
    const record = new Recording(kernels);
    const whole = record.temporary('whole', N);
    record.clear(whole);
    record.copy(part(source, 256), part(whole, 256), 256);
    record.run(add, { n: 64 }, { a: part(whole, 256), b: part(part(source, 256), 0, 256), y: part(result, 0, 256) });
    record.run(add, { n: 64 }, { a: part(whole, 0, 256), b: source, y: part(result, 256) });
    expect(await run(record, result)).toEqual(Array.from({ length: N }, (_, i) => (i < 64 ? 2 * (64 + i) : i - 64)));
    record.destroy();
  });

  it('makes a bind group once for the same operands', () => {
    const { device } = gpu;
    let made = 0;
    const original = device.createBindGroup.bind(device);
    Object.defineProperty(device, 'createBindGroup', {
      configurable: true,
      value: (descriptor: GPUBindGroupDescriptor) => {
        made += 1;
        return original(descriptor);
      },
    });
    const one = storage(new Float32Array(N).fill(1));
    const record = new Recording(kernels);
    let last: Slice = one;
    for (let i = 0; i < 40; i++) {
      const y = record.temporary(`link ${i}`, N);
      record.run(add, { n: N }, { a: last, b: one, y });
      last = y;
    }
    record.seal();
    // From the constant into one buffer, then to and fro between two.
    expect(made).toBe(3);
    record.destroy();
    Object.defineProperty(device, 'createBindGroup', { configurable: true, value: original });
  });

  it('refuses to read what nothing wrote, to grow once sealed, and to bind more than the device does', () => {
    const one = storage(new Float32Array(N));
    const record = new Recording(kernels);
    const never = record.temporary('never written', N);
    expect(() => record.run(add, { n: N }, { a: never, b: one, y: record.temporary('y', N) })).toThrow(
      'Cannot run add: never written is read before anything writes it',
    );
    const sealed = new Recording(kernels);
    sealed.seal();
    expect(() => sealed.clear(one)).toThrow('Cannot add a clear: the recording is sealed');
    expect(() => kernels.dispatch(add, { n: N }, { a: one, b: one, y: never })).toThrow(
      'Cannot bind never written: it is a temporary of another recording',
    );
    const limit = gpu.device.limits.maxStorageBufferBindingSize;
    const large = record.temporary('large', limit / 4 + 4);
    expect(() => record.run(add, { n: limit / 4 + 4 }, { a: large, b: large, y: large })).toThrow(`the device binds at most ${limit}`);
  });
});
