/** An adapter in plain data: what records keep, what kernels are chosen by, what a user is told. */

export interface GpuDescription {
  readonly backend: 'dawn' | 'native';
  readonly vendor: string;
  readonly architecture: string;
  readonly description: string;
  /** Decided from the adapter's names, because WebGPU does not tell; `unknown` where they do not say. */
  readonly class: 'cpu' | 'integrated' | 'discrete' | 'unknown';
  /** Invocations in a subgroup where subgroup built-ins can be used and every subgroup has that size, else null. */
  readonly subgroupSize: number | null;
  /** Whether WGSL must say `enable subgroups;` before it uses a subgroup built-in. */
  readonly subgroupsNeedEnable: boolean;
  /** Features of the device, sorted. */
  readonly features: readonly string[];
  /** Limits of the device by name. */
  readonly limits: Readonly<Record<string, number>>;
  /** What the adapter's matrix units multiply; empty where there are none or they are not shown. */
  readonly subgroupMatrixConfigs: readonly SubgroupMatrixConfig[];
}

/** A product that matrix units compute at once: (M, K) by (K, N) of `componentType`, sums of `resultComponentType`. */
export interface SubgroupMatrixConfig {
  readonly componentType: string;
  readonly resultComponentType: string;
  readonly M: number;
  readonly N: number;
  readonly K: number;
}

type Names = Pick<GPUAdapterInfo, 'vendor' | 'architecture' | 'description'>;

/** Sorts an adapter by its names and WebGPU's fallback flag. */
export function classify(info: Names & { readonly isFallbackAdapter?: boolean }): GpuDescription['class'] {
  const names = `${info.vendor} ${info.architecture} ${info.description}`.toLowerCase();
  if (info.isFallbackAdapter || /llvmpipe|lavapipe|swiftshader|software|basic render|\bwarp\b/.test(names)) return 'cpu';
  if (/nvidia|geforce|quadro|tesla/.test(names)) return /tegra|orin|xavier|jetson/.test(names) ? 'integrated' : 'discrete';
  if (/apple|adreno|qualcomm|mali|\barm\b|powervr/.test(names)) return 'integrated';
  if (/intel/.test(names)) return /\barc\b.*\b[ab]\d{3}|dg2|battlemage|xe-2hpg|xe-hpg/.test(names) ? 'discrete' : 'integrated';
  if (/radeon rx|radeon pro w|instinct|radeon vii/.test(names)) return 'discrete';
  if (/radeon.*graphics|radeon \d{3}m\b/.test(names)) return 'integrated';
  return 'unknown';
}

/** Every limit of an adapter or device as plain numbers. */
export function plainLimits(limits: GPUSupportedLimits): Record<string, number> {
  const plain: Record<string, number> = {};
  for (const name in limits) {
    const value: unknown = limits[name as keyof GPUSupportedLimits];
    if (typeof value === 'number') plain[name] = value;
  }
  return plain;
}

/** The matrix products of an adapter as plain data; WebGPU's types do not know them yet. */
export function subgroupMatrixConfigs(info: GPUAdapterInfo): SubgroupMatrixConfig[] {
  const { subgroupMatrixConfigs: listed = [] } = info as { readonly subgroupMatrixConfigs?: Iterable<SubgroupMatrixConfig> };
  return [...listed].map(({ componentType, resultComponentType, M, N, K }) => ({ componentType, resultComponentType, M, N, K }));
}
