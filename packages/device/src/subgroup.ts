/** Finds out by running it whether subgroup built-ins work where WebGPU does not name the feature (Deno). */

import code from './subgroup.wgsl.ts';

/** Invocations in a subgroup, or null where the shader is refused. Leaves no error behind. */
export async function measureSubgroup(device: GPUDevice): Promise<number | null> {
  device.pushErrorScope('internal');
  device.pushErrorScope('validation');
  const size = 4;
  const result = device.createBuffer({ size, usage: GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC });
  const staging = device.createBuffer({ size, usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST });
  const pipeline = device.createComputePipeline({
    layout: 'auto',
    compute: { module: device.createShaderModule({ code }), entryPoint: 'main' },
  });
  const encoder = device.createCommandEncoder();
  const pass = encoder.beginComputePass();
  pass.setPipeline(pipeline);
  const layout = pipeline.getBindGroupLayout(0);
  pass.setBindGroup(0, device.createBindGroup({ layout, entries: [{ binding: 0, resource: { buffer: result } }] }));
  pass.dispatchWorkgroups(1);
  pass.end();
  encoder.copyBufferToBuffer(result, 0, staging, 0, size);
  device.queue.submit([encoder.finish()]);
  const mapped = staging.mapAsync(GPUMapMode.READ).then(
    () => new Uint32Array(staging.getMappedRange())[0] ?? null,
    () => null,
  );
  const [measured, ...errors] = await Promise.all([mapped, device.popErrorScope(), device.popErrorScope()]);
  result.destroy();
  staging.destroy();
  return errors.some((error) => error !== null) ? null : measured;
}
