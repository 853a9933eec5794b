import type { AdapterProfile, SubgroupMatrixConfig } from './op.ts';

/** Reads off a device what decides between variants. WebGPU does not tell GPUs apart, so `class` is the caller's to say. */
export function profileOf(device: GPUDevice, kind: AdapterProfile['class'] = 'unknown'): AdapterProfile {
  const info = device.adapterInfo as GPUAdapterInfo & { readonly subgroupMatrixConfigs?: readonly SubgroupMatrixConfig[] };
  const { subgroupMinSize, subgroupMaxSize } = info;
  const known = device.features.has('subgroups') && subgroupMinSize !== undefined && subgroupMinSize === subgroupMaxSize;
  const limits: Record<string, number> = {};
  for (const name in device.limits) {
    const value: unknown = device.limits[name as keyof GPUSupportedLimits];
    if (typeof value === 'number') limits[name] = value;
  }
  return {
    class: kind,
    subgroupSize: known ? subgroupMinSize : null,
    subgroupsNeedEnable: true,
    features: [...device.features],
    limits,
    subgroupMatrixConfigs: [...(info.subgroupMatrixConfigs ?? [])].map(({ componentType, resultComponentType, M, N, K }) => ({
      componentType,
      resultComponentType,
      M,
      N,
      K,
    })),
  };
}
