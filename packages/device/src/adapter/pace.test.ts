import { promisify } from 'node:util';
import { expect, it, vi } from 'vitest';
import { openGpu } from '../open.ts';
import { paceDawn } from './pace.ts';

it('waits for the GPU without keeping the main thread busy', async ({ skip }) => {
  const gpu = await openGpu();
  const { device } = gpu;
  const code = /* wgsl */ `
    @group(0) @binding(0) var<storage, read_write> x: array<u32>;
    @compute @workgroup_size(64) fn main(@builtin(global_invocation_id) id: vec3u) {
      var state = id.x;
      for (var i = 0u; i < 20000u; i++) { state = state * 1664525u + 1013904223u + (state >> 16u); }
      x[id.x % 64u] = state;
    }`;
  const buffer = device.createBuffer({ size: 256, usage: GPUBufferUsage.STORAGE });
  const pipeline = device.createComputePipeline({ layout: 'auto', compute: { module: device.createShaderModule({ code }) } });
  const bindGroup = device.createBindGroup({ layout: pipeline.getBindGroupLayout(0), entries: [{ binding: 0, resource: { buffer } }] });
  const work = async (groups: number) => {
    const encoder = device.createCommandEncoder();
    const pass = encoder.beginComputePass();
    pass.setPipeline(pipeline);
    pass.setBindGroup(0, bindGroup);
    pass.dispatchWorkgroups(groups);
    pass.end();
    device.queue.submit([encoder.finish()]);
    const begun = performance.now();
    const before = process.threadCpuUsage();
    await device.queue.onSubmittedWorkDone();
    const { user, system } = process.threadCpuUsage(before);
    return { waited: performance.now() - begun, busy: (user + system) / 1_000 };
  };
  let groups = 64;
  let { waited, busy } = await work(groups);
  while (waited < 200 && groups < 32_768) {
    groups *= 2;
    ({ waited, busy } = await work(groups));
  }
  gpu.close();
  skip(waited < 200, `the GPU does in ${waited} ms what it was to be waited for`);
  expect(busy / waited).toBeLessThan(0.3);
});

it('leaves other callers of setImmediate as they were', async () => {
  const immediate = vi.fn(setImmediate);
  const scope = { setImmediate: immediate as unknown as typeof setImmediate };
  paceDawn(scope);
  const once = scope.setImmediate;
  paceDawn(scope);
  expect(scope.setImmediate).toBe(once);
  expect(await new Promise((resolve) => scope.setImmediate(resolve, 'given'))).toBe('given');
  expect(immediate).toHaveBeenCalledTimes(1);
  expect(await promisify(globalThis.setImmediate)('promised')).toBe('promised');
});
