/** WebGPU that the runtime brings itself as `navigator.gpu`: Deno and browsers. */

import type { Backend, BackendOptions } from './backend.ts';

/** Whether this runtime has a WebGPU of its own. */
export function hasNative(): boolean {
  return typeof navigator !== 'undefined' && 'gpu' in navigator && navigator.gpu !== undefined;
}

/** Asks the runtime for its adapter, which is null where it has none. */
export async function openNative(options: BackendOptions): Promise<Backend> {
  const adapter = hasNative() ? await navigator.gpu.requestAdapter(options) : null;
  return {
    name: 'native',
    adapter,
    // Deno's compiler, naga, knows the subgroup built-ins but refuses the line that the WGSL standard asks for.
    subgroupsNeedEnable: !('Deno' in globalThis),
    remedy: hasNative()
      ? 'Install or update the graphics driver (on Linux a Vulkan driver such as mesa-vulkan-drivers)'
      : 'This runtime has no navigator.gpu: use a browser with WebGPU, a recent Deno, or the backend `dawn`',
  };
}
