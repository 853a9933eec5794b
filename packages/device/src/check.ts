/** A device's own health check: open it, compute something with a known answer, read it back. */

import { runtimeName } from './adapter/runtime.ts';
import code from './check.wgsl.ts';
import type { GpuDescription } from './describe.ts';
import { GpuError } from './errors.ts';
import type { Gpu } from './gpu.ts';
import { openGpu, type OpenGpuOptions } from './open.ts';

/** Outcome of `checkDevice`. `problem` is null when `ok`; `gpu` is null when no device could be opened. */
export interface DeviceCheck {
  readonly ok: boolean;
  readonly runtime: string;
  readonly gpu: GpuDescription | null;
  readonly problem: string | null;
}

/**
 * Opens a device, by `open` where that is given, computes 257 products on it, compares, closes it. Never throws: a failure is
 * in `problem`.
 */
export async function checkDevice(options: OpenGpuOptions = {}, open: () => Promise<Gpu> = () => openGpu(options)): Promise<DeviceCheck> {
  const runtime = runtimeName();
  let gpu: Gpu | null = null;
  try {
    gpu = await open();
    await compute(gpu);
    return { ok: true, runtime, gpu: gpu.description, problem: null };
  } catch (error) {
    const problem = error instanceof Error ? error.message : String(error);
    return { ok: false, runtime, gpu: gpu?.description ?? null, problem };
  } finally {
    gpu?.close();
  }
}

async function compute(gpu: Gpu): Promise<void> {
  const { device } = gpu;
  const count = 257;
  const a = Float32Array.from({ length: count }, (_, i) => i % 31);
  const b = Float32Array.from({ length: count }, (_, i) => (i % 17) - 8);
  const upload = (values: Float32Array<ArrayBuffer>): GPUBuffer => {
    const buffer = device.createBuffer({
      size: values.byteLength,
      usage: GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_DST,
    });
    device.queue.writeBuffer(buffer, 0, values);
    return buffer;
  };
  const size = count * 4;
  const staging = await gpu.guard('the health check', () => {
    const out = device.createBuffer({ size, usage: GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC });
    const read = device.createBuffer({ size, usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST });
    const pipeline = device.createComputePipeline({
      layout: 'auto',
      compute: { module: device.createShaderModule({ code }), entryPoint: 'main' },
    });
    const entries = [upload(a), upload(b), out].map((buffer, binding) => ({ binding, resource: { buffer } }));
    const encoder = device.createCommandEncoder();
    const pass = encoder.beginComputePass();
    pass.setPipeline(pipeline);
    pass.setBindGroup(0, device.createBindGroup({ layout: pipeline.getBindGroupLayout(0), entries }));
    pass.dispatchWorkgroups(Math.ceil(count / 64));
    pass.end();
    encoder.copyBufferToBuffer(out, 0, read, 0, size);
    device.queue.submit([encoder.finish()]);
    return read;
  });
  await staging.mapAsync(GPUMapMode.READ);
  const result = new Float32Array(staging.getMappedRange());
  const wrong = result.findIndex((value, i) => value !== (a[i] ?? 0) * (b[i] ?? 0) + i);
  if (wrong >= 0) throw new GpuError('the health check', [`element ${wrong} came back as ${result[wrong]}`]);
}
