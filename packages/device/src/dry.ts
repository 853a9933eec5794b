/**
 * A device without memory: it computes nothing, its buffers have a size and no content, and every call is held to
 * WebGPU's rules for sizes, offsets and counts. The code that fills a device runs on it unchanged, so what that would
 * allocate can be counted before anything is.
 */

import type { GpuDescription } from './describe.ts';
import { Gpu } from './gpu.ts';

/** What every WebGPU implementation grants (W3C WebGPU, section 3.6.2), as far as computing needs it. */
export const DEFAULT_LIMITS = {
  maxBufferSize: 268_435_456,
  maxStorageBufferBindingSize: 134_217_728,
  maxUniformBufferBindingSize: 65_536,
  maxStorageBuffersPerShaderStage: 8,
  maxUniformBuffersPerShaderStage: 12,
  maxBindingsPerBindGroup: 1_000,
  minStorageBufferOffsetAlignment: 256,
  minUniformBufferOffsetAlignment: 256,
  maxComputeWorkgroupStorageSize: 16_384,
  maxComputeInvocationsPerWorkgroup: 256,
  maxComputeWorkgroupSizeX: 256,
  maxComputeWorkgroupSizeY: 256,
  maxComputeWorkgroupSizeZ: 64,
  maxComputeWorkgroupsPerDimension: 65_535,
} as const satisfies Partial<Record<keyof GPUSupportedLimits, number>>;

const PLAIN: GpuDescription = {
  backend: 'dawn',
  vendor: '',
  architecture: '',
  description: 'any adapter',
  class: 'discrete',
  subgroupSize: null,
  subgroupsNeedEnable: true,
  features: [],
  limits: DEFAULT_LIMITS,
  subgroupMatrixConfigs: [],
};

/** WebGPU's numeric flags, which are global only where an implementation is. */
const BUFFER_USAGE = {
  MAP_READ: 0x1, MAP_WRITE: 0x2, COPY_SRC: 0x4, COPY_DST: 0x8, INDEX: 0x10, VERTEX: 0x20, UNIFORM: 0x40, STORAGE: 0x80,
  INDIRECT: 0x100, QUERY_RESOLVE: 0x200,
};
const GLOBALS = {
  GPUBufferUsage: BUFFER_USAGE,
  GPUMapMode: { READ: 1, WRITE: 2 },
  GPUShaderStage: { VERTEX: 1, FRAGMENT: 2, COMPUTE: 4 },
};

/** Bytes of the buffers of one label. */
export type ByteLengths = ReadonlyMap<string, number>;

/** A dry device as a `Gpu`, and what was asked of it. */
export interface DryGpu {
  readonly gpu: Gpu;
  /** Bytes of the buffers that are not destroyed, by label. */
  byteLengths(): ByteLengths;
  /** The largest buffer and the largest binding so far, in bytes. */
  readonly largest: { readonly buffer: number; readonly binding: number };
}

/**
 * A device with WebGPU's default limits and no features, or those of `profile`. Its methods throw RangeError for what
 * the limits forbid and TypeError for other misuse, at once; mapping a buffer to read is refused.
 *
 * ```ts
 * const dry = dryGpu();
 * const model = new Model(dry.gpu, config);
 * console.log(dry.byteLengths());
 * ```
 */
export function dryGpu(profile: Partial<GpuDescription> = {}): DryGpu {
  for (const [name, value] of Object.entries(GLOBALS)) {
    if (!(name in globalThis)) Object.defineProperty(globalThis, name, { value, configurable: true, writable: true });
  }
  const description = { ...PLAIN, ...profile };
  const device = new DryDevice(description);
  return {
    gpu: new Gpu(device as unknown as GPUDevice, description),
    byteLengths() {
      const bytes = new Map<string, number>();
      for (const { label, size } of device.buffers) bytes.set(label, (bytes.get(label) ?? 0) + size);
      return bytes;
    },
    largest: device.largest,
  };
}

/** A buffer that has a size only. Small ones may be filled when they are made. */
class DryBuffer {
  readonly label: string;
  readonly size: number;
  readonly usage: number;
  #live: Set<DryBuffer>;

  constructor({ label = '', size, usage }: GPUBufferDescriptor, live: Set<DryBuffer>) {
    this.label = label;
    this.size = size;
    this.usage = usage;
    this.#live = live;
    live.add(this);
  }

  get destroyed(): boolean {
    return !this.#live.has(this);
  }

  getMappedRange(): ArrayBuffer {
    return new ArrayBuffer(this.size);
  }

  unmap(): void {}

  mapAsync(): Promise<never> {
    return Promise.reject(new TypeError(`Cannot read ${this.label}: a dry device computes nothing`));
  }

  destroy(): void {
    this.#live.delete(this);
  }
}

interface DryLayout {
  readonly label: string;
  readonly types: readonly GPUBufferBindingType[];
}

class DryDevice {
  readonly features: ReadonlySet<string>;
  readonly limits: Readonly<Record<string, number>>;
  readonly lost = new Promise<never>(() => {});
  readonly buffers = new Set<DryBuffer>();
  readonly largest = { buffer: 0, binding: 0 };
  readonly queue = {
    writeBuffer: (buffer: DryBuffer, offset: number, data: ArrayBufferView | ArrayBuffer) => {
      inRange('write to', buffer, offset, data.byteLength, BUFFER_USAGE.COPY_DST);
    },
    submit: () => {},
    onSubmittedWorkDone: () => Promise.resolve(),
  };

  constructor({ features, limits }: GpuDescription) {
    this.features = new Set(features);
    this.limits = { ...DEFAULT_LIMITS, ...limits };
  }

  addEventListener(): void {}
  removeEventListener(): void {}
  pushErrorScope(): void {}
  popErrorScope(): Promise<null> {
    return Promise.resolve(null);
  }

  destroy(): void {
    this.buffers.clear();
  }

  #limit(name: keyof typeof DEFAULT_LIMITS): number {
    return this.limits[name] ?? DEFAULT_LIMITS[name];
  }

  createBuffer(descriptor: GPUBufferDescriptor): DryBuffer {
    const { label = '', size } = descriptor;
    const most = this.#limit('maxBufferSize');
    if (size > most) throw new RangeError(`Cannot make buffer ${label} of ${size} bytes: the device makes at most ${most}`);
    this.largest.buffer = Math.max(this.largest.buffer, size);
    return new DryBuffer(descriptor, this.buffers);
  }

  createShaderModule(): object {
    return {};
  }

  createBindGroupLayout({ label = '', entries }: GPUBindGroupLayoutDescriptor): DryLayout {
    const types = [...entries].map(({ buffer }) => buffer?.type ?? 'uniform');
    const count = (uniform: boolean) => types.filter((type) => (type === 'uniform') === uniform).length;
    for (const [what, used, most] of [
      ['storage buffers', count(false), this.#limit('maxStorageBuffersPerShaderStage')],
      ['uniform buffers', count(true), this.#limit('maxUniformBuffersPerShaderStage')],
      ['bindings', types.length, this.#limit('maxBindingsPerBindGroup')],
    ] as const) {
      if (used > most) throw new RangeError(`Cannot lay out ${label}: it has ${used} ${what}, the device binds at most ${most}`);
    }
    return { label, types };
  }

  createPipelineLayout(): object {
    return {};
  }

  createComputePipeline(): object {
    return {};
  }

  createBindGroup({ label = '', layout, entries }: GPUBindGroupDescriptor): object {
    const { types } = layout as unknown as DryLayout;
    const bound = [...entries];
    if (bound.length !== types.length) throw new TypeError(`Cannot bind ${label}: ${bound.length} operands for ${types.length} bindings`);
    const uses = new Map<DryBuffer, GPUBufferBindingType>();
    bound.forEach(({ binding, resource }, i) => {
      const { buffer, offset = 0, size } = resource as unknown as { buffer: DryBuffer; offset?: number; size?: number };
      const type = types[binding] ?? types[i] ?? 'storage';
      const uniform = type === 'uniform';
      const bytes = size ?? buffer.size - offset;
      const place = `operand ${binding} of ${label} (${buffer.label})`;
      inRange(`bind ${place},`, buffer, offset, bytes, uniform ? BUFFER_USAGE.UNIFORM : BUFFER_USAGE.STORAGE);
      const most = this.#limit(uniform ? 'maxUniformBufferBindingSize' : 'maxStorageBufferBindingSize');
      if (bytes > most) throw new RangeError(`Cannot bind ${place}: ${bytes} bytes, the device binds at most ${most}`);
      const alignment = this.#limit(uniform ? 'minUniformBufferOffsetAlignment' : 'minStorageBufferOffsetAlignment');
      if (offset % alignment !== 0) throw new RangeError(`Cannot bind ${place}: it starts at byte ${offset}, no multiple of ${alignment}`);
      if (bytes === 0 || bytes % 4 !== 0) throw new RangeError(`Cannot bind ${place}: it has ${bytes} bytes`);
      const other = uses.get(buffer) ?? type;
      if (other !== type) throw new TypeError(`Cannot bind ${place}: the same buffer is also bound as ${other}, this is ${type}`);
      uses.set(buffer, type);
      this.largest.binding = Math.max(this.largest.binding, bytes);
    });
    return {};
  }

  createCommandEncoder(): object {
    const most = this.#limit('maxComputeWorkgroupsPerDimension');
    const pass = {
      setPipeline() {},
      setBindGroup() {},
      dispatchWorkgroups(...counts: number[]) {
        const beyond = counts.find((count) => count > most);
        if (beyond !== undefined) throw new RangeError(`Cannot dispatch ${counts.join(' x ')} workgroups: the device takes at most ${most} a dimension`);
      },
      end() {},
    };
    return {
      beginComputePass: () => pass,
      clearBuffer(buffer: DryBuffer, offset = 0, size = buffer.size - offset) {
        inRange('clear', buffer, offset, size, BUFFER_USAGE.COPY_DST);
      },
      copyBufferToBuffer(from: DryBuffer, fromOffset: number, to: DryBuffer, toOffset: number, size: number) {
        inRange('copy from', from, fromOffset, size, BUFFER_USAGE.COPY_SRC);
        inRange('copy to', to, toOffset, size, BUFFER_USAGE.COPY_DST);
      },
      finish: () => ({}),
    };
  }
}

function inRange(verb: string, buffer: DryBuffer, offset: number, size: number, usage: number): void {
  const { label } = buffer;
  if (buffer.destroyed) throw new TypeError(`Cannot ${verb} ${label}: it is destroyed`);
  if ((buffer.usage & usage) === 0) throw new TypeError(`Cannot ${verb} ${label}: it was not made for that`);
  if (offset % 4 !== 0 || offset < 0 || offset + size > buffer.size) {
    throw new RangeError(`Cannot ${verb} ${label}: bytes ${offset} to ${offset + size} of ${buffer.size}`);
  }
}
