/** @seal/device: a WebGPU device on every runtime, described and watched the same way. */

export { openDawn } from './adapter/dawn.ts';
export { programCommand, runtimeName } from './adapter/runtime.ts';
export { checkDevice, type DeviceCheck } from './check.ts';
export { classify, type GpuDescription } from './describe.ts';
export { DEFAULT_LIMITS, dryGpu, type DryGpu } from './dry.ts';
export { describeNoAdapter, DeviceLostError, GpuError, NoAdapterError } from './errors.ts';
export { Gpu } from './gpu.ts';
export { openGpu, type OpenGpuOptions } from './open.ts';
