/** Opens a device: one function for every runtime. */

import type { Backend, BackendOptions } from './adapter/backend.ts';
import { openDawn } from './adapter/dawn.ts';
import { hasNative, openNative } from './adapter/native.ts';
import { classify, plainLimits, subgroupMatrixConfigs, type GpuDescription } from './describe.ts';
import { NoAdapterError } from './errors.ts';
import { Gpu } from './gpu.ts';
import { measureSubgroup } from './subgroup.ts';

export interface OpenGpuOptions {
  /**
   * `native` is the runtime's own `navigator.gpu`, `dawn` the npm package; native where there is one unless given. `null` is
   * Dawn's device that computes nothing: it compiles shaders and checks calls, features for every kernel included.
   */
  readonly backend?: 'dawn' | 'native' | 'null';
  readonly powerPreference?: GPUPowerPreference;
  /** Take a software adapter even where there is a GPU. */
  readonly software?: boolean;
  /** Optional features not to ask for, to try what an adapter without them would do. */
  readonly withoutFeatures?: readonly string[];
  /** Keep WebGPU's default limits, to try what holds on every adapter. */
  readonly defaultLimits?: boolean;
}

/** Not in WebGPU's types yet. */
const SUBGROUP_MATRIX = 'chromium-experimental-subgroup-matrix' as GPUFeatureName;

/** Asked for where the adapter has them; kernels may rely on none of them. */
const WANTED_FEATURES = ['shader-f16', 'subgroups', 'timestamp-query', SUBGROUP_MATRIX];

/**
 * Raised to what the adapter has. Bindings per stage stay at WebGPU's defaults on purpose: a kernel that needs more
 * would run here and fail elsewhere.
 */
const RAISED_LIMITS = [
  'maxBufferSize',
  'maxStorageBufferBindingSize',
  'maxComputeWorkgroupStorageSize',
  'maxComputeInvocationsPerWorkgroup',
  'maxComputeWorkgroupSizeX',
  'maxComputeWorkgroupSizeY',
  'maxComputeWorkgroupSizeZ',
] as const satisfies readonly (keyof GPUSupportedLimits)[];

/**
 * Opens the best adapter of this runtime with the optional features and the larger limits that kernels can use.
 * The caller closes it. Throws NoAdapterError, with what to do, where there is no adapter or it gives no device.
 *
 * ```ts
 * const gpu = await openGpu();
 * try { await gpu.guard('copy', () => gpu.device.queue.submit([])); } finally { gpu.close(); }
 * ```
 */
export async function openGpu(options: OpenGpuOptions = {}): Promise<Gpu> {
  const name = options.backend ?? (hasNative() ? 'native' : 'dawn');
  const request: BackendOptions = {
    powerPreference: options.powerPreference ?? 'high-performance',
    forceFallbackAdapter: options.software ?? false,
  };
  let backend: Backend;
  try {
    backend = await (name === 'native' ? openNative(request) : openDawn(request, name === 'dawn'));
  } catch (cause) {
    throw new NoAdapterError([`${name}: ${text(cause)}`], `Reinstall the dependencies with \`npm install\``, { cause });
  }
  const { adapter, remedy } = backend;
  if (!adapter) throw new NoAdapterError([`${name}: no adapter on this machine is accepted`], remedy);

  const unwanted = new Set(options.withoutFeatures);
  const features = WANTED_FEATURES.filter((feature) => adapter.features.has(feature) && !unwanted.has(feature));
  const raised = options.defaultLimits ? [] : RAISED_LIMITS;
  let device: GPUDevice;
  try {
    device = await adapter.requestDevice({
      label: 'seal',
      // The list holds a name that is not in the standard yet.
      requiredFeatures: features as GPUFeatureName[],
      requiredLimits: Object.fromEntries(raised.map((limit) => [limit, adapter.limits[limit]])),
    });
  } catch (cause) {
    const named = adapter.info.description || adapter.info.device;
    throw new NoAdapterError([`${name}: ${named} gives no device: ${text(cause)}`], remedy, { cause });
  }
  return new Gpu(device, await describe(backend, adapter, device, !unwanted.has('subgroups')));
}

async function describe(
  backend: Backend,
  adapter: GPUAdapter,
  device: GPUDevice,
  wantSubgroups: boolean,
): Promise<GpuDescription> {
  const { info } = adapter;
  const { vendor, architecture, description, subgroupMinSize, subgroupMaxSize } = info;
  let subgroupSize: number | null = null;
  if (wantSubgroups && subgroupMinSize !== undefined && subgroupMinSize === subgroupMaxSize && subgroupMinSize > 0) {
    // Deno does not name the feature even in releases that compile the built-ins: only running them tells.
    const usable = device.features.has('subgroups') || (await measureSubgroup(device)) === subgroupMinSize;
    subgroupSize = usable ? subgroupMinSize : null;
  }
  return {
    backend: backend.name,
    vendor,
    architecture,
    description: description || info.device,
    class: classify(info),
    subgroupSize,
    subgroupsNeedEnable: backend.subgroupsNeedEnable,
    features: [...device.features].sort(),
    limits: plainLimits(device.limits),
    subgroupMatrixConfigs: device.features.has(SUBGROUP_MATRIX) ? subgroupMatrixConfigs(info) : [],
  };
}

function text(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
