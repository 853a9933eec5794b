import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { afterEach, expect, test } from 'vitest';
import { checkDevice, DeviceLostError, GpuError, NoAdapterError, openGpu, type Gpu } from './index.ts';
import { measureSubgroup } from './subgroup.ts';

let gpu: Gpu | null = null;
afterEach(() => {
  gpu?.close();
  gpu = null;
});

async function readBack(device: GPUDevice, source: GPUBuffer): Promise<Uint32Array> {
  const staging = device.createBuffer({
    size: source.size,
    usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST,
  });
  const encoder = device.createCommandEncoder();
  encoder.copyBufferToBuffer(source, 0, staging, 0, source.size);
  device.queue.submit([encoder.finish()]);
  await staging.mapAsync(GPUMapMode.READ);
  return new Uint32Array(staging.getMappedRange().slice(0));
}

test('opens a device whose description agrees with it', async () => {
  gpu = await openGpu();
  const { description, device } = gpu;
  expect(description.backend).toBe('dawn');
  expect(description.description).not.toBe('');
  expect(description.features).toEqual([...device.features].sort());
  expect(description.limits['maxStorageBufferBindingSize']).toBe(device.limits.maxStorageBufferBindingSize);
  // WebGPU's default is 16 KiB; an adapter may have no more, but never less.
  expect(description.limits['maxComputeWorkgroupStorageSize']).toBeGreaterThanOrEqual(16_384);
  // Portable kernels bind at most eight storage buffers.
  expect(device.limits.maxStorageBuffersPerShaderStage).toBe(8);
});

test('keeps the limits that every adapter has where it is asked to', async () => {
  gpu = await openGpu({ defaultLimits: true });
  const { limits } = gpu.device;
  expect(limits.maxStorageBufferBindingSize).toBe(128 * 1024 * 1024);
  expect(limits.maxComputeWorkgroupStorageSize).toBe(16_384);
  expect(limits.maxComputeInvocationsPerWorkgroup).toBe(256);
  expect(gpu.description.limits['maxBufferSize']).toBe(256 * 1024 * 1024);
});

test('the subgroup size it reports is the one that runs', async () => {
  gpu = await openGpu();
  if (!gpu.device.features.has('subgroups')) {
    expect(gpu.description.subgroupSize).toBeNull();
    return;
  }
  const { default: code } = await import('./subgroup.wgsl.ts');
  const { device } = gpu;
  const size = await gpu.guard('subgroup size', async () => {
    const out = device.createBuffer({ size: 4, usage: GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC });
    const module = device.createShaderModule({ code: `enable subgroups;\n${code}` });
    const pipeline = device.createComputePipeline({ layout: 'auto', compute: { module, entryPoint: 'main' } });
    const entries = [{ binding: 0, resource: { buffer: out } }];
    const encoder = device.createCommandEncoder();
    const pass = encoder.beginComputePass();
    pass.setPipeline(pipeline);
    pass.setBindGroup(0, device.createBindGroup({ layout: pipeline.getBindGroupLayout(0), entries }));
    pass.dispatchWorkgroups(1);
    pass.end();
    device.queue.submit([encoder.finish()]);
    return (await readBack(device, out))[0];
  });
  if (gpu.description.subgroupSize !== null) expect(size).toBe(gpu.description.subgroupSize);
});

test('features can be left out', async () => {
  gpu = await openGpu({ withoutFeatures: ['subgroups', 'shader-f16'] });
  expect(gpu.description.features).not.toContain('subgroups');
  expect(gpu.description.features).not.toContain('shader-f16');
  expect(gpu.description.subgroupSize).toBeNull();
});

test('probing a compiler that refuses the subgroup shader leaves no error behind', async () => {
  gpu = await openGpu({ withoutFeatures: ['subgroups'] });
  expect(await measureSubgroup(gpu.device)).toBeNull();
  await gpu.device.queue.onSubmittedWorkDone();
  gpu.throwIfFailed();
});

test('an invalid shader fails the guarded step with the compiler’s message', async () => {
  gpu = await openGpu();
  const { device } = gpu;
  const failing = gpu.guard('a broken kernel', () => {
    const module = device.createShaderModule({ code: '@compute @workgroup_size(1) fn main() { let x: u32 = 1.5; }' });
    device.createComputePipeline({ layout: 'auto', compute: { module, entryPoint: 'main' } });
  });
  await expect(failing).rejects.toThrow(GpuError);
  await expect(failing).rejects.toThrow(/Cannot run a broken kernel on the GPU: validation: /);
  gpu.throwIfFailed();
});

test('every error of a guarded step is reported, along with what the step threw itself', async () => {
  gpu = await openGpu();
  const { device } = gpu;
  const thrown = new RangeError('host side');
  const failing = gpu.guard('two faults', () => {
    device.createBuffer({ size: 16, usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.STORAGE });
    throw thrown;
  });
  await expect(failing).rejects.toMatchObject({ name: 'GpuError', cause: thrown });
  await expect(gpu.guard('host only', () => Promise.reject(thrown))).rejects.toBe(thrown);
});

test('guards that run side by side keep their errors apart', async () => {
  gpu = await openGpu();
  const { device } = gpu;
  const buffer = (usage: number) => device.createBuffer({ size: 16, usage });
  const slow = gpu.guard('slow and right', async () => {
    buffer(GPUBufferUsage.STORAGE);
    await device.queue.onSubmittedWorkDone();
    return 'done';
  });
  const wrong = gpu.guard('wrong', () => buffer(GPUBufferUsage.MAP_READ | GPUBufferUsage.MAP_WRITE));
  const [first, second] = await Promise.allSettled([slow, wrong]);
  expect(first).toEqual({ status: 'fulfilled', value: 'done' });
  expect(second).toMatchObject({ status: 'rejected', reason: { name: 'GpuError' } });
});

test('an error outside any scope fails the next throwIfFailed, once', async () => {
  gpu = await openGpu();
  const { device } = gpu;
  device.createBuffer({ size: 16, usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.MAP_WRITE });
  await device.queue.onSubmittedWorkDone();
  const opened = gpu;
  expect(() => opened.throwIfFailed()).toThrow(/the last step on the GPU: validation: /);
  opened.throwIfFailed();
});

test('a lost device fails the running step and every later one', async () => {
  gpu = await openGpu();
  const opened = gpu;
  const running = opened.guard('doomed', async () => {
    opened.device.destroy();
    await opened.lost;
  });
  await expect(running).rejects.toThrow(DeviceLostError);
  await expect(opened.lost).resolves.toMatchObject({ name: 'DeviceLostError', reason: 'destroyed' });
  expect(() => opened.throwIfFailed()).toThrow(/The GPU device was lost \(destroyed\)/);
  await expect(opened.guard('later', () => 1)).rejects.toThrow(DeviceLostError);
  opened.close();
});

test('a closed device refuses work', async () => {
  const closed = await openGpu();
  closed.close();
  closed.close();
  expect(() => closed.throwIfFailed()).toThrow(/it was closed/);
});

test('the health check passes, and says so', async () => {
  expect(await checkDevice()).toMatchObject({ ok: true, problem: null, runtime: expect.stringMatching(/^(Node|Bun|Deno) \d/) });
});

test('without an adapter the error says what to do', async () => {
  await expect(openGpu({ backend: 'native' })).rejects.toThrow(NoAdapterError);
  const check = await checkDevice({ backend: 'native' });
  expect(check).toMatchObject({ ok: false, gpu: null });
  expect(check.problem).toMatch(/No usable WebGPU adapter: native: .*navigator\.gpu/);
});

test('no driver at all is explained, and the process ends by itself', () => {
  const entry = fileURLToPath(new URL('./index.ts', import.meta.url));
  const script = `const { checkDevice } = await import(${JSON.stringify(entry)});
    console.log(JSON.stringify(await checkDevice()));`;
  const run = (env: Record<string, string>): { ok: boolean; problem: string | null } =>
    JSON.parse(
      execFileSync(process.execPath, ['--input-type=module', '-e', script], {
        encoding: 'utf8',
        env: { ...process.env, ...env },
        stdio: ['ignore', 'pipe', 'ignore'],
        timeout: 30_000,
      }),
    );
  const missing = run({ VK_DRIVER_FILES: '/nonexistent.json', VK_ICD_FILENAMES: '/nonexistent.json' });
  expect(missing.ok).toBe(false);
  expect(missing.problem).toMatch(/mesa-vulkan-drivers/);
  expect(run({}).ok).toBe(true);
});
