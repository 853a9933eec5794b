/** WebGPU from the npm package `webgpu`, which is Dawn as a native addon: Node and Bun, and Deno when asked for. */

import type { Backend, BackendOptions } from './backend.ts';
import { paceDawn } from './pace.ts';

/** Dawn keeps float16 and subgroup matrices behind these switches on NVIDIA's Vulkan driver. */
const NVIDIA_TOGGLES = ['enable-dawn-features=allow_unsafe_apis,use_vulkan_memory_model,vulkan_enable_f16_on_nvidia'];

/** A device that checks every call and computes nothing, with features that no adapter here may have. */
const NULL_TOGGLES = ['backend=null', 'enable-dawn-features=allow_unsafe_apis'];

/**
 * Dawn aborts or hangs when the object that `create` returns is collected before its devices, so the ones made stay
 * here until the process ends. They do not keep the process alive.
 */
const instances = new Map<string, GPU>();

/**
 * Loads Dawn, makes WebGPU's global constants known and returns its adapter, or null where Dawn accepts none. One that is
 * not `computing` only compiles and checks.
 */
export async function openDawn(options: BackendOptions, computing = true): Promise<Backend> {
  const { create, globals } = await import('webgpu');
  paceDawn();
  for (const [name, value] of Object.entries(globals)) {
    if (!(name in globalThis)) Object.defineProperty(globalThis, name, { value, configurable: true, writable: true });
  }
  const instance = (toggles: string[]): GPU => {
    const key = toggles.join(' ');
    const gpu = instances.get(key) ?? create(toggles);
    instances.set(key, gpu);
    return gpu;
  };
  let adapter = await instance(computing ? [] : NULL_TOGGLES).requestAdapter(options);
  if (adapter?.info.vendor === 'nvidia') adapter = (await instance(NVIDIA_TOGGLES).requestAdapter(options)) ?? adapter;
  return { name: 'dawn', adapter, subgroupsNeedEnable: true, remedy: remedy() };
}

function remedy(): string {
  if (process.platform === 'linux') {
    return (
      'Install a Vulkan driver: your GPU vendor’s, or Mesa’s software driver with ' +
      '`apt-get install mesa-vulkan-drivers`. Debian 12’s own Mesa 22.3 is too old for ' +
      'Dawn; take it from bookworm-backports: `apt-get install -t bookworm-backports mesa-vulkan-drivers`'
    );
  }
  return 'Update the graphics driver: WebGPU needs Direct3D 12 on Windows and Metal on macOS';
}
