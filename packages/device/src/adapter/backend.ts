/** What an implementation of WebGPU hands to `openGpu`. */

export interface BackendOptions {
  readonly powerPreference: GPUPowerPreference;
  readonly forceFallbackAdapter: boolean;
}

export interface Backend {
  readonly name: 'dawn' | 'native';
  readonly adapter: GPUAdapter | null;
  /** Whether WGSL must say `enable subgroups;` before it uses a subgroup built-in. */
  readonly subgroupsNeedEnable: boolean;
  /** What to do when there is no adapter, one sentence or two. */
  readonly remedy: string;
}
