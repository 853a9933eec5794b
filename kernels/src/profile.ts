import type { AdapterProfile } from './op.ts';

/** Reads off a device what decides between variants. */
export function profileOf(device: GPUDevice): AdapterProfile {
  const { subgroupMinSize, subgroupMaxSize } = device.adapterInfo;
  const known = device.features.has('subgroups') && subgroupMinSize !== undefined && subgroupMinSize === subgroupMaxSize;
  return { subgroupSize: known ? subgroupMinSize : null, subgroupsNeedEnable: true };
}
